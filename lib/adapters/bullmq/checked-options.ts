import type { ModuleMetadata } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isInteger, isName, NAME_RULE, refuseUnknown } from '../../options/index.js';

/** How many messages a provider takes. */
export interface BullMqRate {
  /** The most messages in any span of `perSeconds`, by all workers together, 1 to 100,000. */
  readonly max: number;
  /** The span in seconds, 1 to 3600. @default 1 */
  readonly perSeconds?: number | undefined;
}

/** A sender whose messages are passed to workers through BullMQ. */
export interface BullMqSender {
  /** What its provider allows. @default no rate */
  readonly rate?: BullMqRate | undefined;
}

/** The options of `TwoFactorBullMqModule.forRoot`. */
export interface TwoFactorBullMqOptions {
  /**
   * The senders whose messages are passed on, by the names that they have in `TwoFactorModule`. Each has a queue of its own. Other
   * senders are sent by the instance that took the request, as without this module.
   */
  readonly senders: Readonly<Record<string, BullMqSender>>;
  /**
   * The beginning of the names of the queues, which are `<name>-<sender>`. Applications that share a Redis and a prefix, and have
   * databases of their own, need different ones. @default 'two-factor'
   */
  readonly name?: string | undefined;
  /** The key of the configuration, when `BullModule.forRoot` was called with one. @default the one without a key */
  readonly configKey?: string | undefined;
  /** The modules that export `DeliveryService`, if `TwoFactorModule` is not global. @default [] */
  readonly imports?: ModuleMetadata['imports'] | undefined;
}

/** A rate after its checks. */
export interface CheckedRate {
  readonly max: number;
  readonly perSeconds: number;
}

/** The options after their checks. */
export interface CheckedOptions {
  readonly rates: ReadonlyMap<string, CheckedRate | null>;
  readonly name: string;
  readonly configKey: string | undefined;
  readonly imports: NonNullable<ModuleMetadata['imports']>;
}

const OPTIONS = [
  'senders',
  'name',
  'configKey',
  'imports',
] satisfies (keyof TwoFactorBullMqOptions)[];
const MAX_MESSAGES = 100_000;
const MAX_SECONDS = 3_600;

/** @throws TwoFactorConfigurationError that names the option and the remedy. */
export function checkedOptions(options: TwoFactorBullMqOptions): CheckedOptions {
  const given = (options ?? {}) as Partial<TwoFactorBullMqOptions>;
  refuseUnknown('option of TwoFactorBullMqModule:', given, OPTIONS);
  const { senders, name = 'two-factor', configKey, imports = [] } = given;
  if (typeof senders !== 'object' || senders === null || Object.keys(senders).length === 0) {
    throw new TwoFactorConfigurationError(
      'TwoFactorBullMqModule has no senders. Name those whose messages it passes on: { senders: { sms: { rate: { max: 10 } } } }.',
    );
  }
  if (!isName(name)) {
    throw new TwoFactorConfigurationError(
      `Option name of TwoFactorBullMqModule is not ${NAME_RULE}.`,
    );
  }
  const rates = Object.entries(senders).map(
    ([way, sender]) => [way, checkedRate(way, sender)] as const,
  );
  return { rates: new Map(rates), name, configKey, imports };
}

function checkedRate(way: string, sender: BullMqSender): CheckedRate | null {
  const what = `sender ${way} of TwoFactorBullMqModule`;
  if (typeof sender !== 'object' || sender === null) {
    throw new TwoFactorConfigurationError(
      `The ${what} is no object. Give { rate: { max: 10 } }, or {}.`,
    );
  }
  refuseUnknown(`option of ${what}:`, sender, ['rate']);
  const { rate } = sender;
  if (rate === undefined) return null;
  if (typeof rate !== 'object' || rate === null) {
    throw new TwoFactorConfigurationError(`The rate of ${what} is no object. Give { max: 10 }.`);
  }
  refuseUnknown(`option of the rate of ${what}:`, rate, ['max', 'perSeconds']);
  const { max, perSeconds = 1 } = rate;
  if (!isInteger(max, 1, MAX_MESSAGES) || !isInteger(perSeconds, 1, MAX_SECONDS)) {
    throw new TwoFactorConfigurationError(
      `The rate of ${what} is no rate. Give whole numbers: max from 1 to ${MAX_MESSAGES}, perSeconds from 1 to ${MAX_SECONDS}.`,
    );
  }
  return { max, perSeconds };
}
