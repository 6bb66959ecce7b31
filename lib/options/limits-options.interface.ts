import type { ExecutionContext } from '@nestjs/common';

/** Allows at most `max` messages in a window, which begins with the first of them. */
export interface SendLimit {
  /** Messages, 1 to 1,000,000. */
  readonly max: number;
  /** Length of the window, 1 to 2,592,000 seconds. */
  readonly perSeconds: number;
}

/** Limits the messages that the requesters of one network cause. */
export interface NetworkSendLimit extends SendLimit {
  /** Length of the IPv4 prefix that counts as one network, 8 to 32 bits. Absent: the rule does not apply to IPv4. */
  readonly ipv4?: number | undefined;
  /** Length of the IPv6 prefix that counts as one network, 16 to 128 bits. Absent: the rule does not apply to IPv6. */
  readonly ipv6?: number | undefined;
}

/**
 * The limits of each class of messages. `open`: a client named the phone number or address. `bound`: the application named it for
 * a subject. The classes have separate counters, so that strangers cannot use up the messages of a signed-in user.
 */
export interface SendLimitsByClass {
  /** Limits for messages to phone numbers and addresses that clients name; `false` for none. */
  readonly open?: readonly SendLimit[] | false | undefined;
  /** Limits for messages to phone numbers and addresses that the application names for a subject; `false` for none. */
  readonly bound?: readonly SendLimit[] | false | undefined;
}

/**
 * Limits consecutive wrong codes. They are counted for the phone number or address if a client named it, and for the subject
 * together with it if the application named it.
 */
export interface FailureLimitOptions {
  /** Which wrong code in a row is the first that locks, 3 to 50. With 10, nine do not lock, and the tenth and each later one do. @default 10 */
  readonly lockAfter?: number | undefined;
  /** Length of the first lock, 1 to 3,600 seconds. Each further wrong code doubles it. @default 30 */
  readonly lockSeconds?: number | undefined;
  /**
   * Length of the longest lock in seconds, at most 86,400. It must be at least `lockSeconds` and the life of a code, so that each
   * guess under the longest lock costs a new message. @default 900
   */
  readonly maxLockSeconds?: number | undefined;
  /** The number of wrong codes that lock until `LimitService.reset()`, `lockAfter` to 100. @default 100 */
  readonly permanentLockAfter?: number | undefined;
}

/**
 * Watches the messages to each prefix of phone numbers (the calling code and some digits), of senders with `destinations`. Of
 * messages that fraudsters cause to numbers which they are paid for, hardly any code is confirmed.
 */
export interface PrefixLimitOptions {
  /**
   * `record`: only reports a prefix, by a line in the log and the event `toll-fraud-suspected`. `deny`: also refuses further
   * messages to it until the window ends, or until enough codes are confirmed. @default 'record'
   */
  readonly mode?: 'record' | 'deny' | undefined;
  /** The digits after the calling code that belong to a prefix, 1 to 7. @default 3 */
  readonly prefixDigits?: number | undefined;
  /**
   * The number of messages of a window from which on a prefix is judged, 10 to 1,000,000. Give more than people request within
   * the minute that they need to type a code. @default 50
   */
  readonly min?: number | undefined;
  /** The part of the messages whose codes must have been confirmed, 0.01 to 0.9. @default 0.2 */
  readonly ratio?: number | undefined;
  /** Length of the window, 60 to 86,400 seconds. All windows begin at multiples of it since 1970. @default 3600 */
  readonly perSeconds?: number | undefined;
}

/** Detects one code that is tried on many confirmations, within one application instance. */
export interface SprayDetectionOptions {
  /** The number of confirmations that one wrong code is tried on, 2 to 10,000. @default 20 */
  readonly confirmations?: number | undefined;
  /** Length of the window, 1 to 86,400 seconds. There is at most one event for each window. @default 600 */
  readonly perSeconds?: number | undefined;
}

/**
 * Limits that apply across confirmations. All of them are on by default. Switch off one of them by `false`, or all of them by
 * `limits: false`.
 *
 * Messages and failures of a phone number or address that a client named count for it alone (class `open`). Those of one that the
 * application named for a subject count for the subject together with it (class `bound`).
 *
 * @publicApi
 */
export interface LimitsOptions {
  /**
   * Locks a phone number, an address or a subject after wrong codes (NIST SP 800-63B-4 3.2.2). The count survives resends, new
   * confirmations and restarts. A right code for the same phone number or address resets it. @default {}
   */
  readonly failures?: FailureLimitOptions | false | undefined;
  /**
   * The most pending confirmations of a subject (or, without one, of a phone number or address) and a purpose that were created
   * without a message, 1 to 10. Confirmations with a message are limited by `sendsPerToken`. @default { max: 3 }
   */
  readonly pending?: { readonly max?: number | undefined } | false | undefined;
  /**
   * Limits the messages to one phone number or address. A list of limits applies to each of the classes `open` and `bound`.
   *
   * @default both classes 5 in ten minutes; `open` 10 a day, `bound` 20 a day
   */
  readonly sendsPerToken?: SendLimitsByClass | readonly SendLimit[] | false | undefined;
  /**
   * Limits the messages of the class `open` that one requester causes. The requester is an IPv4 address, an IPv6 /64, the result of
   * `requester`, or the subject that named the phone number or address. @default 10 an hour
   */
  readonly sendsPerRequester?: readonly SendLimit[] | false | undefined;
  /**
   * Limits the confirmations that one requester has made without a message, which begin with an app, a passkey, a recovery code or a
   * device: they take no pending slot, and cost a row each. The requester is an IPv4 address, an IPv6 /64, or the result of
   * `requester`, never the subject alone: a thief of a password must not keep the owner out. Each subject of a requester has a count of
   * its own, except for requests that name a method which cannot be guessed, and in purposes with `claimedSubject`. Requesters that are
   * unknown share ten times as many. @default 60 an hour
   */
  readonly requestsPerRequester?: readonly SendLimit[] | false | undefined;
  /**
   * Limits the messages that one network causes to phone numbers and addresses that a client named (class `open`). Unknown
   * requesters share one quota of the rules with `ipv4`.
   *
   * @default 60 an hour for an IPv4 /24 and an IPv6 /48, 30 an hour for an IPv6 /56
   */
  readonly sendsPerNetwork?: readonly NetworkSendLimit[] | false | undefined;
  /**
   * Watches for toll fraud: reports, or refuses, prefixes of phone numbers with too few confirmed codes. Messages of the two
   * classes count separately. Only for senders with `destinations`. @default {}
   */
  readonly sendsPerPrefix?: PrefixLimitOptions | false | undefined;
  /** Limits the messages of each sender and class. Further ones fail with HTTP 503. @default false */
  readonly sendsPerSender?: readonly SendLimit[] | false | undefined;
  /**
   * Limits the messages of all senders together. Further ones fail with HTTP 503. A list of limits applies to each class.
   *
   * @default `open` 500 an hour (1,000 where no purpose is bound to a subject), `bound` 5,000 an hour
   */
  readonly sendsInTotal?: SendLimitsByClass | readonly SendLimit[] | false | undefined;
  /**
   * Returns the party that causes a message of the class `open` over HTTP: an IP address, or the id of a session or a user;
   * `null` when it is unknown. Behind a proxy, set `trust proxy` (Express) or `trustProxy` (Fastify); otherwise all clients have
   * the address of the proxy. @default the address of the request
   */
  readonly requester?:
    | ((
        context: ExecutionContext,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * Returns one spelling for all spellings of a phone number or address, so that they share one quota. The built-in function
   * knows mail addresses and E.164 numbers; for national numbers see `nestjs-two-factor/phone`.
   */
  readonly normalizeToken?: ((token: string) => string) | undefined;
  /** Reports one code that is tried on many confirmations, by the event `spraying-suspected`. @default {} */
  readonly sprayDetection?: SprayDetectionOptions | false | undefined;
}
