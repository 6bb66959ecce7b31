import type { ExecutionContext } from '@nestjs/common';

/** So many messages in a window that begins with the first of them. */
export interface SendBudget {
  /** Messages, 1 to 1,000,000. */
  readonly max: number;
  /** Length of the window, 1 to 2,592,000 seconds. */
  readonly perSeconds: number;
}

/** Consecutive wrong codes, counted for each token and each subject over all their confirmations. */
export interface FailureLimitOptions {
  /** The wrong code that locks first, 3 to 50. @default 10 */
  readonly lockAfter?: number | undefined;
  /** The first lock, 1 to 3,600 seconds; each further wrong code doubles it. @default 30 */
  readonly lockSeconds?: number | undefined;
  /** The longest lock, `lockSeconds` to 86,400 seconds. @default 3600 */
  readonly maxLockSeconds?: number | undefined;
  /** The wrong code after which only `LimitService.reset()` helps, `lockAfter` to 100. @default 100 */
  readonly permanentLockAfter?: number | undefined;
}

/** One code that is tried on many confirmations, as one application instance sees it. */
export interface GuessingOptions {
  /** Different confirmations that one wrong code is tried on, 2 to 10,000. @default 20 */
  readonly confirmations?: number | undefined;
  /** Length of the window, 1 to 86,400 seconds; there is one event in each. @default 600 */
  readonly perSeconds?: number | undefined;
}

/**
 * What holds across confirmations. All of it is on unless it is switched off, one by one or with `limits: false`.
 *
 * @publicApi
 */
export interface LimitsOptions {
  /**
   * Locks a token and a subject whose codes are guessed at (NIST SP 800-63B-4 3.2.2). Survives resends, new confirmations
   * and restarts; a right code ends it. @default {}
   */
  readonly failures?: FailureLimitOptions | false | undefined;
  /** Pending confirmations of a subject (or, without one, of a token) and a purpose, 1 to 10. @default { max: 3 } */
  readonly pending?: { readonly max?: number | undefined } | false | undefined;
  /** Messages to one token, over all its confirmations. @default 5 an hour and 10 a day */
  readonly sendsPerToken?: readonly SendBudget[] | false | undefined;
  /** Messages that one requester causes; counted where `requester` says who that is. @default 10 an hour */
  readonly sendsPerRequester?: readonly SendBudget[] | false | undefined;
  /** Messages by each sender; HTTP 503 beyond. @default 1,000 an hour */
  readonly sendsPerSender?: readonly SendBudget[] | false | undefined;
  /** Messages by all senders together; HTTP 503 beyond. @default 1,000 an hour */
  readonly sendsInTotal?: readonly SendBudget[] | false | undefined;
  /**
   * Who starts a confirmation or resends one over HTTP: a user's or session's id, or the IP address (IPv6 addresses count
   * by their /64). Nothing means that this one is not counted. Without it nobody is.
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
  /** Tells of one code that is tried on many confirmations: event `guessing-suspected`. @default {} */
  readonly guessing?: GuessingOptions | false | undefined;
}
