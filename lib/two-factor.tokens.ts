import { Inject } from '@nestjs/common';

/** The options after their resolution at boot (`ResolvedOptions`). */
export const TWO_FACTOR_OPTIONS = Symbol.for('nestjs-two-factor:options');

/** The read-only map of all senders by name (`SenderBackends`), filled in the module's `onModuleInit`. */
export const SENDER_BACKENDS = Symbol.for('nestjs-two-factor:sender-backends');

/** The data source that holds the confirmations. */
export const TWO_FACTOR_DATA_SOURCE = Symbol.for('nestjs-two-factor:data-source');

/** Injects the resolved options. */
export const InjectTwoFactorOptions = (): ParameterDecorator & PropertyDecorator =>
  Inject(TWO_FACTOR_OPTIONS);

/**
 * Injects the map of all senders (`SenderBackends`).
 *
 * @publicApi
 */
export const InjectSenderBackends = (): ParameterDecorator & PropertyDecorator =>
  Inject(SENDER_BACKENDS);

/** Injects the module's data source. */
export const InjectTwoFactorDataSource = (): ParameterDecorator & PropertyDecorator =>
  Inject(TWO_FACTOR_DATA_SOURCE);

/** The store of the quotas (`LimitStore`). */
export const TWO_FACTOR_LIMIT_STORE = Symbol.for('nestjs-two-factor:limit-store');

/** The writer of the messages (`MessageRenderer`). */
export const MESSAGE_RENDERER = Symbol.for('nestjs-two-factor:message-renderer');
