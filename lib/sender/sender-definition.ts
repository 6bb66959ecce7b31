import type { Type } from '@nestjs/common';

import type { SenderEntry } from '../options/index.js';
import {
  senderBackendMetadata,
  type Delivery,
  type SenderBackend,
} from './sender-backend.decorator.js';

/** Delivers one message. */
export type SendFunction<Options = unknown> = (delivery: Delivery<Options>) => unknown;

/** The sender that a factory makes a `send` for. */
export interface SenderBackendFactoryInput<Options = unknown> {
  readonly name: string;
  readonly options: Options;
  readonly verboseName: string;
}

/** Called once for each sender, at boot. */
export type SenderBackendFactory<Options = unknown> = (
  input: SenderBackendFactoryInput<Options>,
) => SendFunction<Options> | Promise<SendFunction<Options>>;

/** What a sender's `backend` may be: the name of a decorated class, a class, or a factory. */
export type SenderBackendReference<Options = unknown> =
  string | Type<SenderBackend<Options>> | SenderBackendFactory<Options>;

/**
 * One entry of `senders`.
 *
 * @publicApi
 */
export interface SenderDefinition extends SenderEntry {
  /** The sender's name for people. @default the decorator's, else the sender's name */
  readonly verboseName?: string | undefined;
  // Options differ from sender to sender; `defineSender` checks them against their backend.
  /** The name of a decorated class, a class, or a factory that makes a `send` for this sender. */
  readonly backend: string | Type<SenderBackend<never>> | SenderBackendFactory<never>;
  /** Whatever the backend takes; passed on as it is. */
  readonly options?: unknown;
}

/**
 * An entry of `senders` whose options are checked against the backend's.
 *
 * @example
 * ```ts
 * senders: { sms: defineSender(SmsBackend, { options: { from: 'ACME' } }) }
 * ```
 * @publicApi
 */
export function defineSender<Options>(
  backend: Type<SenderBackend<Options>> | SenderBackendFactory<Options>,
  // The backend alone says what its options are: a misspelt one is an error, not another type.
  definition: { readonly options: NoInfer<Options>; readonly verboseName?: string | undefined },
): SenderDefinition {
  return { backend, ...definition };
}

/**
 * Makes a backend of one function, for senders that need neither state nor injection.
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

/** A class is told from a factory by its syntax, by `send` on its prototype, or by our decorator. */
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
