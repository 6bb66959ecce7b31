import type { Type } from '@nestjs/common';

import type { CodeGenerator } from '../crypto/index.js';
import type { DestinationRules, SenderEntry } from '../options/index.js';
import type { ResolvedSender } from './sender-registry.js';
import {
  senderBackendMetadata,
  type Delivery,
  type SenderBackend,
} from './sender-backend.decorator.js';

/** Delivers one message. */
export interface SendFunction<Options = unknown> {
  (delivery: Delivery<Options>): unknown;
  /**
   * The kind of recipients (`token`) that this function sends to; `undefined` for any kind. `failoverBackend` refuses at boot to
   * combine senders of different kinds, because a code by e-mail proves something else than a code by text message.
   */
  readonly tokenKind?: SenderTokenKind | undefined;
  /** The providers behind this function, for a health check: those of `failoverBackend`, in this process. */
  readonly providers?: (() => readonly ProviderHealth[]) | undefined;
  /**
   * Asks the provider whether it answers at all, by a request that names no recipient, and throws or rejects when it does not. The
   * result `false` says that it cannot be asked, which proves nothing.
   * `failoverBackend` calls it after several failures that the recipients may have caused. Without it, such failures never make a
   * failover pass over this sender for other recipients.
   */
  readonly ping?: ((signal: AbortSignal) => unknown) | undefined;
}

/** A provider as the circuit breaker of its sender sees it. */
export interface ProviderHealth {
  /** The provider's name among those of the sender. */
  readonly name: string;
  /**
   * Whether this provider kept failing, and was not proven to work since: by an accepted message, or by its answer to a request without a
   * recipient. Messages go to the other providers first, and after the pause one at a time to this one.
   */
  readonly isPassedOver: boolean;
}

/** A mailbox, a phone number, or a chat of a messenger. */
export type SenderTokenKind = 'email' | 'phone' | 'chat';

/** The argument of a factory: the sender that it creates a `send` function for. */
export interface SenderBackendFactoryInput<Options = unknown> {
  readonly name: string;
  readonly options: Options;
  readonly verboseName: string;
  /** The application's generator of codes, for a provider that takes only some codes. */
  readonly codeGenerator?: CodeGenerator | undefined;
  /**
   * The longest wait for one message.
   *
   * @internal
   */
  readonly sendTimeoutMs?: number | undefined;
  /**
   * Creates the backend of a further entry, for a backend that sends by others.
   *
   * @internal
   */
  readonly resolve?: ((name: string, entry: SenderEntry) => Promise<ResolvedSender>) | undefined;
}

/**
 * Creates the `send` function of a sender. Called once for each sender, at boot. If the function has a method
 * `onApplicationShutdown`, that is called at shutdown: `Object.assign(send, { onApplicationShutdown: () => pool.close() })`.
 */
export type SenderBackendFactory<Options = unknown> = (
  input: SenderBackendFactoryInput<Options>,
) => SendFunction<Options> | Promise<SendFunction<Options>>;

/** The type of a sender's `backend`: the name of a decorated class, a class, or a factory. */
export type SenderBackendReference<Options = unknown> =
  string | Type<SenderBackend<Options>> | SenderBackendFactory<Options>;

/**
 * One entry of the option `senders`.
 *
 * @publicApi
 */
export interface SenderDefinition extends SenderEntry {
  /** The sender's name for display. @default the decorator's, else the sender's name */
  readonly verboseName?: string | undefined;
  // The types of the options differ from sender to sender; `defineSender` checks them against the backend.
  /** The name of a decorated class, a class, or a factory that creates a `send` function for this sender. */
  readonly backend: string | Type<SenderBackend<never>> | SenderBackendFactory<never>;
  /** The options of the backend; passed on unchanged. */
  readonly options?: unknown;
  /**
   * The phone numbers that this sender sends to: `phoneDestinations({ countries: ['UA'] })` of `nestjs-two-factor/phone`. Other
   * tokens are refused before anything is stored or counted (HTTP 422, `recipient-not-allowed`). @default all tokens
   */
  readonly destinations?: DestinationRules | undefined;
}

/**
 * An entry of `senders`, with options that the compiler checks against the backend.
 *
 * @example
 * ```ts
 * senders: { sms: defineSender(SmsBackend, { options: { from: 'ACME' } }) }
 * ```
 * @publicApi
 */
export function defineSender<Options>(
  backend: Type<SenderBackend<Options>> | SenderBackendFactory<Options>,
  // Without NoInfer, a misspelt option would widen the inferred type instead of failing to compile.
  definition: {
    readonly options: NoInfer<Options>;
    readonly verboseName?: string | undefined;
    readonly destinations?: DestinationRules | undefined;
  },
): SenderDefinition {
  return { backend, ...definition };
}

/**
 * Creates a backend from one function, for senders that need neither state nor injection.
 *
 * @example
 * ```ts
 * senders: {
 *   pager: { backend: functionalSenderBackend(({ token, code }) => page(token, code)) },
 * }
 * ```
 * @publicApi
 */
export function functionalSenderBackend<Options = unknown>(
  send: SendFunction<Options>,
): SenderBackendFactory<Options> {
  return () => send;
}

/** Whether a function is a class and no factory: by class syntax, a method `send` on its prototype, or `@SenderBackend`. */
export function isBackendClass(backend: unknown): backend is Type<SenderBackend> {
  if (typeof backend !== 'function') return false;
  const prototype = Object.getOwnPropertyDescriptor(backend, 'prototype');
  if (prototype === undefined) return false;
  const isClassSyntax = prototype.writable === false;
  const { send } = (prototype.value ?? {}) as { send?: unknown };
  return (
    isClassSyntax || typeof send === 'function' || senderBackendMetadata(backend) !== undefined
  );
}
