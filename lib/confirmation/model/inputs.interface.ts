import type { EntityManager } from 'typeorm';

import type { ProofBinding } from './binding.js';
import type { ConfirmationState } from './confirmation-state.js';
import type { JsonValue } from './plain-json.js';

/** What `makeConfirmation` takes; everything is optional. */
export interface MakeConfirmationInput extends ProofBinding {
  /** Any JSON of the application, up to 16 kB, kept with the confirmation. */
  readonly meta?: JsonValue | undefined;
  /** Confirmed from the start: there is no code then. @default false */
  readonly isConfirmed?: boolean | undefined;
  /** Where the code will go; else the first `SenderService.send` says it. */
  readonly token?: string | undefined;
  /**
   * Who named the token. A token that a client named for a subject (a new phone number) is counted as a stranger's, so that
   * it neither uses up nor locks what the subject's own token has. @default 'application'
   */
  readonly tokenFrom?: 'client' | 'application' | undefined;
  /** The sender's name. */
  readonly way?: string | undefined;
  /** Life of the code, 30 to 86,400 seconds; more than 600 is for proving a mailbox by e-mail only (NIST SP 800-63B-4 4.2.1.2). */
  readonly ttlSeconds?: number | undefined;
  /** Extra data for the sender (locale and so on): plain JSON up to 4 kB, sealed, and kept for a resend. */
  readonly context?: SendContext | undefined;
  /**
   * 16 to 128 characters: the same key, purpose and subject make one confirmation, however often they are asked for,
   * until that is purged. Draw a new one for each request.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Makes it part of this manager's transaction. Send only after that has committed. It takes no pending slot: one would
   * keep others waiting for the end of the transaction.
   */
  readonly manager?: EntityManager | undefined;
}

/** The application's words to a sender backend: the recipient's locale, a template's name, and so on. */
export interface SendContext {
  readonly [key: string]: JsonValue;
}

/** What a proof must have been made for, and by which way its code must have gone out. */
export interface CheckInput extends ProofBinding {
  /**
   * The only senders whose codes are a proof, by their names; of those that the purpose allows, if it declares some.
   * @default these, else all
   */
  readonly senders?: readonly string[] | undefined;
}

/** What `use` takes beside the confirmation: what the proof must have been made for, and how it is spent. */
export interface UseInput extends CheckInput {
  /** Spends the proof in the transaction of this manager, together with what it protects. Excludes `key`. */
  readonly manager?: EntityManager | undefined;
  /** 16 to 128 characters: the same key is answered true again, after an answer was lost. Excludes `manager`. */
  readonly idempotencyKey?: string | undefined;
}

/** A confirmation, and whether the call could do what its name says. */
export type ConfirmationResult =
  | readonly [state: ConfirmationState, done: true]
  | readonly [state: ConfirmationState | null, done: false];

/** What became of one code: `refused` was not compared, and charged nothing. */
export type ConfirmationAttempt =
  | { readonly state: ConfirmationState; readonly outcome: 'confirmed' | 'mismatched' }
  | { readonly state: ConfirmationState | null; readonly outcome: 'refused' };

/** A state, or the id of one: of a state only the id is taken. */
export type ConfirmationReference = ConfirmationState | string;
