import type { ExecutionContext } from '@nestjs/common';

/** At most `max` messages in a window that begins with the first of them. */
export interface SendLimit {
  /** Messages, 1 to 1,000,000. */
  readonly max: number;
  /** Length of the window, 1 to 2,592,000 seconds. */
  readonly perSeconds: number;
}

/** Messages that the requesters of one network cause. */
export interface NetworkSendLimit extends SendLimit {
  /** Length of the IPv4 prefix that is counted as one network, 8 to 32 bits. Absent: the rule does not count IPv4. */
  readonly ipv4?: number | undefined;
  /** Length of the IPv6 prefix that is counted as one network, 16 to 128 bits. Absent: the rule does not count IPv6. */
  readonly ipv6?: number | undefined;
}

/**
 * One list for each class of messages. `open`: a client named the token. `bound`: the application named the token for a
 * subject. The two never share a counter, so that strangers cannot use up what belongs to a signed-in user.
 */
export interface SendLimitsByClass {
  readonly open?: readonly SendLimit[] | false | undefined;
  readonly bound?: readonly SendLimit[] | false | undefined;
}

/**
 * Consecutive wrong codes. They are counted for a token where a client named the token, and for a subject and its token
 * where the application did.
 */
export interface FailureLimitOptions {
  /** The wrong code from which on each one locks, 3 to 50. @default 10 */
  readonly lockAfter?: number | undefined;
  /** The first lock, 1 to 3,600 seconds; each further wrong code doubles it. @default 30 */
  readonly lockSeconds?: number | undefined;
  /**
   * The longest lock, in seconds: at least `lockSeconds` and the life of a code, so that each guess under the longest lock
   * costs a new message; at most 86,400. @default 900
   */
  readonly maxLockSeconds?: number | undefined;
  /** The wrong code after which only `LimitService.reset()` helps, `lockAfter` to 100. @default 100 */
  readonly permanentLockAfter?: number | undefined;
}

/** One code that is tried on many confirmations, as one application instance sees it. */
export interface SprayDetectionOptions {
  /** Different confirmations that one wrong code is tried on, 2 to 10,000. @default 20 */
  readonly confirmations?: number | undefined;
  /** Length of the window, 1 to 86,400 seconds; there is one event in each. @default 600 */
  readonly perSeconds?: number | undefined;
}

/**
 * Limits that hold across confirmations. All of them are on unless they are switched off, one by one or with
 * `limits: false`.
 *
 * A counter belongs to the party that chose the token. A token that a client names is counted among strangers (class
 * `open`); a token that the application names for a subject is counted for that subject and token (class `bound`).
 *
 * @publicApi
 */
export interface LimitsOptions {
  /**
   * Locks those whose codes are guessed at (NIST SP 800-63B-4 3.2.2). The count survives resends, new confirmations and
   * restarts; a right code of the same token ends it. @default {}
   */
  readonly failures?: FailureLimitOptions | false | undefined;
  /**
   * Pending confirmations of a subject (or, without one, of a token) and a purpose that were made without a message, 1 to
   * 10. Confirmations that are requested with a message are bounded by `sendsPerToken`. @default { max: 3 }
   */
  readonly pending?: { readonly max?: number | undefined } | false | undefined;
  /**
   * Messages to one token. A list holds for each of the two classes.
   *
   * @default both classes 5 in ten minutes; `open` 10 a day, `bound` 20 a day
   */
  readonly sendsPerToken?: SendLimitsByClass | readonly SendLimit[] | false | undefined;
  /**
   * Messages of the class `open` that one requester causes: an IPv4 address, an IPv6 /64, what `requester` answers, or the
   * subject who named the token. @default 10 an hour
   */
  readonly sendsPerRequester?: readonly SendLimit[] | false | undefined;
  /**
   * Messages of the class `open` that one network causes. Requesters that are unknown share one budget of the rules that
   * have `ipv4`.
   *
   * @default 60 an hour for an IPv4 /24 and an IPv6 /48, 30 an hour for an IPv6 /56
   */
  readonly sendsPerNetwork?: readonly NetworkSendLimit[] | false | undefined;
  /** Messages by each sender and class; HTTP 503 beyond. @default false */
  readonly sendsPerSender?: readonly SendLimit[] | false | undefined;
  /**
   * Messages by all senders together; HTTP 503 beyond. A list holds for each of the two classes.
   *
   * @default `open` 500 an hour (1,000 where no purpose is bound to a subject), `bound` 5,000 an hour
   */
  readonly sendsInTotal?: SendLimitsByClass | readonly SendLimit[] | false | undefined;
  /**
   * Who causes a message of the class `open` over HTTP: an IP address, or an id of a session or a user; `null` for
   * unknown. Set `trust proxy` (Express) or `trustProxy` (Fastify) behind a proxy, else all clients have the address of the
   * proxy. @default the address of the request as Nest sees it
   */
  readonly requester?:
    | ((
        context: ExecutionContext,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * One spelling for all spellings of a token, so that they share one budget. The built-in one knows mail addresses and
   * E.164 numbers; for national numbers see `nestjs-two-factor/phone`.
   */
  readonly normalizeToken?: ((token: string) => string) | undefined;
  /** Reports one code that is tried on many confirmations: event `spraying-suspected`. @default {} */
  readonly sprayDetection?: SprayDetectionOptions | false | undefined;
}
