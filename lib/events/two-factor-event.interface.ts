import type { ConfirmedBy, LimitName, MethodName } from '../errors/index.js';

/**
 * The members of every event about a confirmation. No event contains a code, a secret, a full phone number or address or a whole
 * id.
 */
export interface ConfirmationEventBase {
  /** The time, by the clock of the options. */
  readonly at: Date;
  /** The beginning of the confirmation's id, as in the log: enough to find it, not enough to use it. */
  readonly confirmation: string;
  /** The purpose; empty for the purpose without a name. */
  readonly purpose: string;
  /** The subject as the application gave it, neither masked nor hashed; empty for none. */
  readonly subject: string;
  /** The sender's name; empty before the first message. */
  readonly way: string;
  /** The phone number or address that the code is sent to; `null` before one is named. */
  readonly recipient: MaskedRecipient | null;
}

/** A phone number or address, in forms that do not disclose it. */
export interface MaskedRecipient {
  /** The phone number or address with most characters replaced, as `maskedToken` of a response: `a***@e***.com`. */
  readonly masked: string;
  /** 16 hexadecimal characters of a keyed hash: equal for equal phone numbers and addresses. */
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

/** A message to a test recipient was not sent, and its confirmation is confirmed by a fixed code: see `testRecipients`. */
export interface TestRecipientUsedEvent extends ConfirmationEventBase {
  readonly type: 'test-recipient-used';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
}

/** A backend did not accept a message. */
export interface SendFailedEvent extends ConfirmationEventBase {
  readonly type: 'send-failed';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
  /** Whether the phone number or address can never be reached. */
  readonly isPermanent: boolean;
}

/** A queued message was given up. Only with `delivery: 'queued'`. */
export interface DeliveryFailedEvent extends ConfirmationEventBase {
  readonly type: 'delivery-failed';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
  /** `expired`: its code would have expired before the person could use it. */
  readonly reason: 'expired' | 'recipient-not-allowed' | 'send-failed' | 'too-many-requests';
}

/** A queued message was not sent, because its confirmation needs it no longer. Only with `delivery: 'queued'`. */
export interface DeliveryDroppedEvent extends ConfirmationEventBase {
  readonly type: 'delivery-dropped';
  /** The number of this message among those of its confirmation, from 1. */
  readonly sends: number;
  /** `superseded`: a newer message of the same confirmation takes its place. */
  readonly reason: 'cancelled' | 'confirmed' | 'expired' | 'locked' | 'superseded';
}

/** A limit or the cooldown refused a new confirmation or a message. `confirmation` is empty when none was created. */
export interface SendBlockedEvent extends ConfirmationEventBase {
  readonly type: 'send-blocked';
  readonly limit: LimitName;
  /** Seconds to wait; `null` when waiting does not help. */
  readonly retryAfterSeconds: number | null;
}

/** A response was not compared, because its phone number or address, or its subject and method, is locked. */
export interface AttemptBlockedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-blocked';
  readonly method: MethodName;
  readonly limit: LimitName;
  /** Seconds to wait; `null` when only `LimitService.reset()` helps. */
  readonly retryAfterSeconds: number | null;
}

/** A code, or the response to another method, was compared and is wrong. */
export interface AttemptFailedEvent extends ConfirmationEventBase {
  readonly type: 'attempt-failed';
  readonly method: MethodName;
  readonly attempts: number;
  readonly maxAttempts: number;
}

/** Wrong codes have locked a confirmation permanently, or a phone number, an address or a subject until `until`. */
export interface LockedEvent extends ConfirmationEventBase {
  readonly type: 'locked';
  readonly scope: 'confirmation' | 'token' | 'subject';
  /**
   * The end of the lock; `null` for a permanent one. A permanent lock of a phone number, an address or a subject ends by
   * `LimitService.reset()`.
   */
  readonly until: Date | null;
}

/** A confirmation was confirmed, by a method or by `state.confirm()`. */
export interface ConfirmedEvent extends ConfirmationEventBase {
  readonly type: 'confirmed';
  readonly by: ConfirmedBy;
  /** The id of the factor whose response confirmed it; `null` when a sent code or `state.confirm()` confirmed it. */
  readonly factor: string | null;
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
  /** On how many confirmations the code was tried in the window so far. */
  readonly confirmations: number;
}

/**
 * The messages of a quota that protects the application's costs are used up, and requests of the class `limitClass` fail with 503.
 * There is one such event for each window of the quota and application instance: raise an alarm.
 */
export interface BudgetExhaustedEvent {
  readonly type: 'budget-exhausted';
  readonly at: Date;
  readonly limit: LimitName;
  /**
   * `open`: messages to phone numbers and addresses that clients name. `bound`: messages to those that the application names for
   * a subject.
   */
  readonly limitClass: 'open' | 'bound';
  /** The sender that was asked for. */
  readonly way: string;
  /** Seconds until the window ends. */
  readonly retryAfterSeconds: number;
}

/**
 * A provider refuses this application, by its credentials, its account or its settings: its messages fail until an operator
 * acts. There is at most one such event in a minute for each provider of a sender and application instance: raise an alarm.
 */
export interface SenderBrokenEvent {
  readonly type: 'sender-broken';
  readonly at: Date;
  /** The sender's name. */
  readonly way: string;
  /** The name of the provider among those of a failover; empty for a sender with one provider. */
  readonly provider: string;
  /** Whether messages to every recipient fail; `false` when those to some recipients may arrive, such as to other countries. */
  readonly concernsAll: boolean;
  /** What the provider answered, without codes, phone numbers and addresses. */
  readonly reason: string;
}

/**
 * Hardly any code of the messages to a prefix of phone numbers, or to a country, was confirmed: fraudsters may cause messages to
 * numbers which they are paid for. There is one such event for each window of an area and application instance: raise an alarm.
 * Only for senders with `destinations`.
 */
export interface TollFraudSuspectedEvent {
  readonly type: 'toll-fraud-suspected';
  readonly at: Date;
  /** The country as ISO 3166-1 alpha-2. */
  readonly country: string;
  /** The calling code and the first digits of the numbers, such as `+380501`; `null` for all numbers of the country. */
  readonly prefix: string | null;
  /** `open`: messages to tokens that clients name. `bound`: messages to tokens that the application names for a subject. */
  readonly limitClass: 'open' | 'bound';
  /** The messages of the window so far, of all instances, without messages that a provider did not accept. */
  readonly messages: number;
  /** The codes that were confirmed in the window so far. */
  readonly confirmed: number;
  /** Whether further messages to the prefix are refused: only with `mode: 'deny'`, and never for a country. */
  readonly isRefused: boolean;
  /** When the window ends. */
  readonly until: Date;
}

/** The members of every event about a factor. None of them has a secret or a code. */
export interface FactorEventBase {
  /** The time, by the clock of the options. */
  readonly at: Date;
  /** The subject as the application gave it, neither masked nor hashed. */
  readonly subject: string;
  readonly method: MethodName;
  /** The id of the factor, as `FactorService.list` shows it. */
  readonly factor: string;
}

/** An enrolment was begun. It ends after 15 minutes, unless it is activated. */
export interface FactorEnrolledEvent extends FactorEventBase {
  readonly type: 'factor-enrolled';
}

/** A factor can confirm from now on. Tell the person by a message (NIST SP 800-63B-4 4.6). */
export interface FactorActivatedEvent extends FactorEventBase {
  readonly type: 'factor-activated';
  /** Whether the application imported the factor, so that the person has not proved to have it. */
  readonly isImported: boolean;
}

/**
 * A factor was removed, by a call or because a newer one took its place. The erasure of a person by `ConfirmerService.erase`
 * publishes none, because the person whom a listener would inform is erased.
 */
export interface FactorRemovedEvent extends FactorEventBase {
  readonly type: 'factor-removed';
}

/** The subject has new recovery codes, and the former ones are void. */
export interface RecoveryCodesRegeneratedEvent extends FactorEventBase {
  readonly type: 'recovery-codes-regenerated';
  readonly count: number;
}

/** A recovery code has confirmed a confirmation, and is void from then on. */
export interface RecoveryCodeUsedEvent extends FactorEventBase {
  readonly type: 'recovery-code-used';
  /** The number of recovery codes that the subject has left. */
  readonly left: number;
}

/** A device was remembered, and may confirm until it expires. */
export interface DeviceRememberedEvent extends FactorEventBase {
  readonly type: 'device-remembered';
  readonly expiresAt: Date;
}

/** The counter of a passkey went backwards, so that it was refused: its key may have been copied. Tell the person. */
export interface PasskeyCopySuspectedEvent extends FactorEventBase {
  readonly type: 'passkey-copy-suspected';
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
  | DeliveryDroppedEvent
  | DeliveryFailedEvent
  | DeviceRememberedEvent
  | FactorActivatedEvent
  | FactorEnrolledEvent
  | FactorRemovedEvent
  | SprayingSuspectedEvent
  | LockedEvent
  | PasskeyCopySuspectedEvent
  | RecoveryCodesRegeneratedEvent
  | RecoveryCodeUsedEvent
  | ReuseRefusedEvent
  | SendBlockedEvent
  | SenderBrokenEvent
  | SendFailedEvent
  | SentEvent
  | TestRecipientUsedEvent
  | TollFraudSuspectedEvent
  | UsedEvent;
