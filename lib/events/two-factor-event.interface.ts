import type { LimitName } from '../errors/index.js';

/** The members of every event about a confirmation. No event contains a code, a secret, a full token or a whole id. */
export interface ConfirmationEventBase {
  /** The time, by the clock of the options. */
  readonly at: Date;
  /** The beginning of the confirmation's id, as in the log: enough to find it, not enough to use it. */
  readonly confirmation: string;
  /** The purpose; empty for the purpose without a name. */
  readonly purpose: string;
  /** The subject as the application gave it, in full; empty for none. */
  readonly subject: string;
  /** The sender's name; empty before the first message. */
  readonly way: string;
  /** The token that the code is sent to; `null` before a token is named. */
  readonly recipient: MaskedRecipient | null;
}

/** A token that cannot be read from the event. */
export interface MaskedRecipient {
  /** The masked token, as `maskedToken` of a response: `a***@e***.com`. */
  readonly masked: string;
  /** 16 hexadecimal characters of a keyed hash: equal for equal tokens. */
  readonly key: string;
}

/** A confirmation was created. */
export interface CreatedEvent extends ConfirmationEventBase {
  readonly type: 'created';
}

/** A backend accepted a message. */
export interface SentEvent extends ConfirmationEventBase {
  readonly type: 'sent';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
}

/** A backend did not accept a message. */
export interface SendFailedEvent extends ConfirmationEventBase {
  readonly type: 'send-failed';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
  /** Whether the token can never be reached. */
  readonly isPermanent: boolean;
}

/** A limit or the cooldown refused a new confirmation or a message. `confirmation` is empty when none was created. */
export interface SendBlockedEvent extends ConfirmationEventBase {
  readonly type: 'send-blocked';
  readonly limit: LimitName;
  /** Seconds to wait; `null` when waiting does not help. */
  readonly retryAfterSeconds: number | null;
}

/** A code was not compared, because its token is locked. */
export interface AttemptBlockedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-blocked';
  readonly limit: LimitName;
  /** Seconds to wait; `null` when only `LimitService.reset()` helps. */
  readonly retryAfterSeconds: number | null;
}

/** A code was compared and is wrong. */
export interface AttemptFailedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-failed';
  readonly attempts: number;
  readonly maxAttempts: number;
}

/** Wrong codes have locked a confirmation permanently, or a token or a subject until `until`. */
export interface LockedEvent extends ConfirmationEventBase {
  readonly type: 'locked';
  readonly scope: 'confirmation' | 'token' | 'subject';
  /** The end of the lock; `null` for a permanent one. That of a token or a subject ends by `LimitService.reset()`. */
  readonly until: Date | null;
}

/** A confirmation was confirmed, by its code or by `state.confirm()`. */
export interface ConfirmedEvent extends ConfirmationEventBase {
  readonly type: 'confirmed';
  readonly by: 'code' | 'hand';
  readonly attempts: number;
}

/** A proof was used. `way` is empty and `recipient` is `null`, because the proof's row is not read for its use. */
export interface UsedEvent extends ConfirmationEventBase {
  readonly type: 'used';
}

/** The use of a proof was refused because it was used before. */
export interface ReuseRefusedEvent extends ConfirmationEventBase {
  readonly type: 'reuse-refused';
}

/** One code was tried on many confirmations. There is one such event for each window and application instance. */
export interface SprayingSuspectedEvent {
  readonly type: 'spraying-suspected';
  readonly at: Date;
  /** The number of confirmations so far. */
  readonly confirmations: number;
}

/**
 * The messages of a quota that protects the application's costs are used up, and requests of that class fail with 503. There is
 * one such event for each window of the quota and application instance: raise an alarm.
 */
export interface BudgetExhaustedEvent {
  readonly type: 'budget-exhausted';
  readonly at: Date;
  readonly limit: LimitName;
  /** `open`: messages to tokens that clients name. `bound`: messages to tokens that the application names for a subject. */
  readonly limitClass: 'open' | 'bound';
  /** The sender that was asked for. */
  readonly way: string;
  /** Seconds until the window ends. */
  readonly retryAfterSeconds: number;
}

/**
 * An event of this package. Events of a transaction are emitted after its commit.
 *
 * @publicApi
 */
export type TwoFactorEvent =
  | AttemptBlockedEvent
  | AttemptFailedEvent
  | BudgetExhaustedEvent
  | ConfirmedEvent
  | CreatedEvent
  | SprayingSuspectedEvent
  | LockedEvent
  | ReuseRefusedEvent
  | SendBlockedEvent
  | SendFailedEvent
  | SentEvent
  | UsedEvent;
