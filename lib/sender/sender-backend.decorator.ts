import 'reflect-metadata';

import { applyDecorators, Injectable, SetMetadata, type Type } from '@nestjs/common';

import type { ConfirmationState, SendContext } from '../confirmation/index.js';
import type { RenderedMessage } from '../messages/index.js';

/** What a sender changes in its messages. */
export interface RenderOptions {
  /** The name of the product in the messages of this sender. @default the option `messages.product` */
  readonly product?: string | undefined;
}

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
  /**
   * Writes the message in the language of the request: its subject, text and HTML for a mail, and `sms` for a text message. It does
   * so when it is called, so that a backend with texts of its own costs nothing.
   *
   * @throws what the renderer or the function `detailsText` of the purpose throws. Pass it on: nothing must be sent then.
   */
  readonly render: (options?: RenderOptions) => Promise<RenderedMessage>;
  /** Aborted after `sendTimeoutMs`. */
  readonly signal: AbortSignal;
  /** 16 characters, equal in all tries of one message, for providers that recognise a repeated call by a key. */
  readonly idempotencyKey: string;
  /**
   * Logs a failure of one of several providers that a backend has, and raises its events. Call it for a failure that another
   * provider may make good; what `send` throws is reported without it.
   *
   * @param provider The provider's name.
   */
  readonly report?: ((provider: string, failure: unknown) => void) | undefined;
}

/** The interface of a sender backend class. */
export interface SenderBackend<Options = unknown> {
  /**
   * Passes the message to the provider, and returns when the provider has accepted it.
   *
   * @throws TwoFactorRecipientError when the phone number or address can never be reached, SendFailure for another known cause.
   * Every other error counts as temporary, and the message may be sent again.
   */
  send(delivery: Delivery<Options>): unknown;
}

export interface SenderBackendMetadata {
  readonly name: string;
  readonly verboseName?: string | undefined;
}

/** The decorated classes, for the errors about a class that no module provides. */
const decorated = new Set<Type<SenderBackend>>();

/**
 * The end of an error's sentence about decorated classes that no module provides; empty for none.
 *
 * @param provided The classes that some module provides.
 * @param name The name of the decorator to look for; absent for any.
 */
export function hintAtUnprovidedClasses(provided: ReadonlySet<unknown>, name?: string): string {
  const unlisted = [...decorated].filter(
    (type) =>
      !provided.has(type) && (name === undefined || senderBackendMetadata(type)?.name === name),
  );
  if (unlisted.length === 0) return '';
  const names = unlisted.slice(-3).map((type) => type.name);
  return `, or list ${names.join(', ')} under providers, which no module provides`;
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
 *   async send({ token, render }: Delivery): Promise<void> {
 *     const { sms } = await render();
 *     await this.gateway.send(token, sms);
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
    (target: object) => void decorated.add(target as Type<SenderBackend>),
  );
}

/** The metadata of this class itself. A subclass does not inherit it, so that it is not a second sender of the same name. */
export function senderBackendMetadata(type: object): SenderBackendMetadata | undefined {
  return Reflect.getOwnMetadata(METADATA, type) as SenderBackendMetadata | undefined;
}
