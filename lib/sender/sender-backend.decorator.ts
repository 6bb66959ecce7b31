import 'reflect-metadata';

import { applyDecorators, Injectable, SetMetadata } from '@nestjs/common';

import type { ConfirmationState, SendContext } from '../confirmation/index.js';

/**
 * One message to deliver. `code` is the clear code: write it into the message only, never into a log.
 *
 * @publicApi
 */
export interface Delivery<Options = unknown> {
  /** The recipient: an address, a number or a chat id. */
  readonly token: string;
  /** The clear code. */
  readonly code: string;
  /** The confirmation, with its purpose, details and expiry. */
  readonly state: ConfirmationState;
  /** The sender's name in the option `senders`. */
  readonly name: string;
  /** The sender's own options. */
  readonly options: Options;
  /** The sender's name for display. */
  readonly verboseName: string;
  /** Whole seconds until the code expires. */
  readonly expiresInSeconds: number;
  /** The `context` of `send` or `request`, such as a locale. */
  readonly context: SendContext;
  /** Aborted after `sendTimeoutMs`. */
  readonly signal: AbortSignal;
}

/** The interface of a sender backend class. */
export interface SenderBackend<Options = unknown> {
  /**
   * Passes the message to the provider, and returns when the provider has accepted it.
   *
   * @throws TwoFactorRecipientError when the token can never be reached. Every other error counts as temporary, and the message
   * may be sent again.
   */
  send(delivery: Delivery<Options>): unknown;
}

export interface SenderBackendMetadata {
  readonly name: string;
  readonly verboseName?: string | undefined;
}

const METADATA = Symbol.for('nestjs-two-factor:sender-backend');

/**
 * Registers a class as a sender backend under a name. Provide the class in any module. An entry of `senders` may refer to the
 * name; without such an entry the class is a sender of that name.
 *
 * @example
 * ```ts
 * @SenderBackend('sms', { verboseName: 'Text message' })
 * export class SmsBackend implements SenderBackend {
 *   constructor(private readonly gateway: SmsGateway) {}
 *
 *   async send({ token, code }: Delivery): Promise<void> {
 *     await this.gateway.send(token, `${code} is your code. Do not share it.`);
 *   }
 * }
 * ```
 * @publicApi
 */
export function SenderBackend(
  name: string,
  options: { readonly verboseName?: string | undefined } = {},
): ClassDecorator {
  return applyDecorators(
    Injectable(),
    SetMetadata(METADATA, { name, ...options } satisfies SenderBackendMetadata),
  );
}

/** The metadata of this class itself. A subclass does not inherit it, so that it is not a second sender of the same name. */
export function senderBackendMetadata(type: object): SenderBackendMetadata | undefined {
  return Reflect.getOwnMetadata(METADATA, type) as SenderBackendMetadata | undefined;
}
