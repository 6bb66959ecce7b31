import 'reflect-metadata';

import { applyDecorators, Injectable, SetMetadata } from '@nestjs/common';

import type { ConfirmationState, SendContext } from '../confirmation/index.js';

/**
 * One message to deliver. `code` is the clear code: put it into the message, and nowhere else.
 *
 * @publicApi
 */
export interface Delivery<Options = unknown> {
  /** Where it goes: address, number, chat id. */
  readonly token: string;
  /** The clear code. */
  readonly code: string;
  /** The confirmation: purpose, details, expiry and so on. */
  readonly state: ConfirmationState;
  /** The sender's name in the options. */
  readonly name: string;
  /** The sender's own options. */
  readonly options: Options;
  /** The sender's name for people. */
  readonly verboseName: string;
  /** Whole seconds that the code is still valid. */
  readonly expiresInSeconds: number;
  /** What was given to `send` or `request`: locale and so on. */
  readonly context: SendContext;
  /** Aborted when `sendTimeoutMs` is over. */
  readonly signal: AbortSignal;
}

/** What the class of a sender backend implements. */
export interface SenderBackend<Options = unknown> {
  /**
   * Hands the message to the provider, and ends when that accepted it. Throw `TwoFactorRecipientError` when this token can
   * never be reached; anything else that is thrown counts as a passing failure and may be resent.
   */
  send(delivery: Delivery<Options>): unknown;
}

export interface SenderBackendMetadata {
  readonly name: string;
  readonly verboseName?: string | undefined;
}

const METADATA = Symbol.for('nestjs-two-factor:sender-backend');

/**
 * Names a class as a sender backend. Provide it in any module; `senders` may name it, and if none does it is a sender by
 * this very name.
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

/** The decorator's words on this very class; a subclass needs its own. */
export function senderBackendMetadata(type: object): SenderBackendMetadata | undefined {
  return Reflect.getOwnMetadata(METADATA, type) as SenderBackendMetadata | undefined;
}
