import type { ExecutionContext } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { ConfirmedBy, MethodName } from '../../errors/index.js';
import type { ProofBinding } from './binding.js';
import type { ConfirmationState } from './confirmation-state.js';
import type { PasskeyAssertionResponse } from './passkey-json.js';
import type { JsonValue } from './plain-json.js';

/** The input of `ConfirmerService.makeConfirmation`. Every member is optional. */
export interface MakeConfirmationInput extends ProofBinding {
  /** Any JSON of the application, up to 16 kB, kept with the confirmation. */
  readonly meta?: JsonValue | undefined;
  /** Confirmed from the start: there is no code then. @default false */
  readonly isConfirmed?: boolean | undefined;
  /**
   * The address, number or chat id that will receive the code, 1 to 320 characters. Without it, the first call of
   * `SenderService.send` names the phone number or address, and binds the confirmation to it.
   */
  readonly token?: string | undefined;
  /**
   * The party that named the phone number or address (`token`). Messages and wrong codes for one that a client named, such as a
   * new phone number, are counted apart from those for the subject's own. Otherwise a client could name the subject's own one
   * until it gets no more messages or is locked. @default 'application'
   */
  readonly tokenFrom?: 'client' | 'application' | undefined;
  /**
   * The methods any of which may confirm it, in order of preference; each but `code` is configured in the option `methods`,
   * and needs a `subject`. Without `code` nothing can be sent. @default ['code']
   */
  readonly methods?: readonly MethodName[] | undefined;
  /** The sender's name. */
  readonly way?: string | undefined;
  /** Life of the code, 30 to 86,400 seconds; more than 600 is for proving a mailbox by e-mail only (NIST SP 800-63B-4 4.2.1.2). */
  readonly ttlSeconds?: number | undefined;
  /** Extra data for the sender (locale and so on): plain JSON up to 4 kB, sealed, and kept for a resend. */
  readonly context?: SendContext | undefined;
  /**
   * 16 to 128 characters. Repeated calls with the same key, purpose and subject return the confirmation that the first call
   * made, until it is purged. Draw a new key for each request.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Makes the confirmation in the transaction of this manager. Send the code only after the commit, because a rollback
   * cannot undo a message. The confirmation takes no pending slot: the row of the slot would stay locked until the end of
   * the transaction, and other requests would wait for it.
   */
  readonly manager?: EntityManager | undefined;
}

/** Data that the application passes to a sender backend, such as the recipient's locale or a template's name. */
export interface SendContext {
  readonly [key: string]: JsonValue;
}

/** What a proof must have been made for, and which senders may have sent its code. */
export interface CheckInput extends ProofBinding {
  /**
   * Names of senders. Only a code that one of them sent is a proof. Where the purpose declares senders, a name that it does
   * not declare is ignored.
   *
   * @default the senders of the purpose; all senders, when it declares none
   */
  readonly senders?: readonly string[] | undefined;
  /**
   * The methods one of which must have confirmed it, `hand` for the application itself. A confirmation that allows more methods is a
   * proof only if one of these confirmed it. @default any
   */
  readonly confirmedBy?: readonly ConfirmedBy[] | undefined;
  /**
   * The context of the call, with which the `methods` function of the purpose is asked again: a proof by a method that it does not
   * return any more is refused. `@RequireConfirmation` gives it. Where the methods of a purpose are a function, give this or
   * `confirmedBy`. Other purposes ignore it. @default none
   */
  readonly context?: ExecutionContext | undefined;
}

/**
 * The response to a method: a code that a person types, what the browser answered for a passkey, or the token of a remembered
 * device.
 */
export type MethodResponse =
  | { readonly method: 'code' | 'totp' | 'recovery'; readonly code: string }
  | { readonly method: 'passkey'; readonly response: PasskeyAssertionResponse }
  | { readonly method: 'device'; readonly token: string };

/** What `challenge` takes beside the confirmation. */
export interface ChallengeInput {
  readonly method: 'passkey';
}

/** What `use` takes beside the confirmation: what the proof must have been made for, and how it is spent. */
export interface UseInput extends CheckInput {
  /** Spends the proof in the transaction of this manager, together with what it protects. Excludes `idempotencyKey`. */
  readonly manager?: EntityManager | undefined;
  /**
   * 16 to 128 characters. A call with the key of the call that used the proof returns true again, so that a call whose answer
   * was lost can be repeated. Excludes `manager`.
   */
  readonly idempotencyKey?: string | undefined;
}

/** A confirmation, and whether the call succeeded, such as whether `confirm` confirmed it. */
export type ConfirmationResult =
  | readonly [state: ConfirmationState, done: true]
  | readonly [state: ConfirmationState | null, done: false];

/** What became of one code: `refused` was not compared, and charged nothing. */
export type ConfirmationAttempt =
  | { readonly state: ConfirmationState; readonly outcome: 'confirmed' }
  | {
      readonly state: ConfirmationState;
      readonly outcome: 'mismatched';
      /** Why the response was refused, for developers; absent for a wrong code, of which there is no more to say. */
      readonly reason?: string | undefined;
    }
  | { readonly state: ConfirmationState | null; readonly outcome: 'refused' };

/** A state, or the id of one: of a state only the id is taken. */
export type ConfirmationReference = ConfirmationState | string;
