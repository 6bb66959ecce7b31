import type { LimitName } from '../errors/index.js';

/** What every event about a confirmation says. Neither code nor secret nor full token nor the whole id. */
export interface ConfirmationEventBase {
  /** When, by the clock of the options. */
  readonly at: Date;
  /** The beginning of the confirmation's id, as in the log: enough to find it, too little to use it. */
  readonly confirmation: string;
  /** Empty for the nameless purpose. */
  readonly purpose: string;
  /** As the application gave it, in full; empty for nobody in particular. */
  readonly subject: string;
  /** The sender's name; empty until there is one. */
  readonly way: string;
  /** Where the code goes; `null` until somebody said it. */
  readonly recipient: MaskedRecipient | null;
}

/** A token, as far as it may be told. */
export interface MaskedRecipient {
  /** As `maskedToken` of an answer: `a***@e***.com`. */
  readonly masked: string;
  /** 16 hexadecimal characters of a keyed hash: equal for equal tokens. */
  readonly key: string;
}

/** A confirmation was made. */
export interface CreatedEvent extends ConfirmationEventBase {
  readonly type: 'created';
}

/** The backend took the message. */
export interface SentEvent extends ConfirmationEventBase {
  readonly type: 'sent';
  /** The how-manieth message of this confirmation it is. */
  readonly sends: number;
}

/** A message was not accepted for delivery, or its token can never be reached. */
export interface SendFailedEvent extends ConfirmationEventBase {
  readonly type: 'send-failed';
  readonly sends: number;
  /** Whether the token can never be reached. */
  readonly isPermanent: boolean;
}

/** A limit, or the cooldown, refused a new confirmation or a message. `confirmation` is empty when none was made. */
export interface SendBlockedEvent extends ConfirmationEventBase {
  readonly type: 'send-blocked';
  readonly limit: LimitName;
  /** `null` when waiting does not help. */
  readonly retryAfterSeconds: number | null;
}

/** A code was not compared, because its token is locked. */
export interface AttemptBlockedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-blocked';
  readonly limit: LimitName;
  /** `null` when only `LimitService.reset()` helps. */
  readonly retryAfterSeconds: number | null;
}

/** A code was compared and is wrong. */
export interface AttemptFailedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-failed';
  readonly attempts: number;
  readonly maxAttempts: number;
}

/** Wrong codes have locked a confirmation for good, or a token or a subject for a time. */
export interface LockedEvent extends ConfirmationEventBase {
  readonly type: 'locked';
  readonly scope: 'confirmation' | 'token' | 'subject';
  /** `null`: for good. Of a token or a subject: until `LimitService.reset()`. */
  readonly until: Date | null;
}

/** A confirmation was confirmed, by its code or by hand. */
export interface ConfirmedEvent extends ConfirmationEventBase {
  readonly type: 'confirmed';
  readonly by: 'code' | 'hand';
  readonly attempts: number;
}

/** `way` is empty and `recipient` is `null`: to use a proof nothing is read. */
export interface UsedEvent extends ConfirmationEventBase {
  readonly type: 'used';
}

/** Somebody tried to use a proof that was used before. */
export interface ReuseRefusedEvent extends ConfirmationEventBase {
  readonly type: 'reuse-refused';
}

/** One code was tried on many confirmations. There is one such event a window and instance. */
export interface SprayingSuspectedEvent {
  readonly type: 'spraying-suspected';
  readonly at: Date;
  /** How many confirmations so far. */
  readonly confirmations: number;
}

/**
 * The messages of a quota that protects the application's own costs are used up, and requests of that class are answered
 * 503. There is one such event for each window of the quota and instance: raise an alarm.
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
 * What happened. Of what a transaction does, after its commit.
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
