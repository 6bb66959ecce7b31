import { randomUUID } from 'node:crypto';

import {
  TwoFactorCodeMismatchError,
  TwoFactorError,
  TwoFactorInputError,
  TwoFactorSendError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
} from '../errors/index.js';
import { showsReasons } from '../options/index.js';

/**
 * The body of an error response (RFC 9457, `application/problem+json`). `error` is the code to switch on.
 *
 * @publicApi
 */
export interface Problem {
  /** The error code as a URN: `urn:nestjs-two-factor:expired`. */
  readonly type: string;
  /** A sentence for developers, in English. A product words problems for people by `error`. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** The stable error code, as `TwoFactorError.code`. */
  readonly error: string;
  /** Identifies this occurrence; the log contains it, too. */
  readonly instance: string;
  /**
   * In some `invalid-request` problems: the members that the body lacks, which details or senders the purpose declares, when the
   * client sent others, or the form that a value must have. With `NODE_ENV=development` in every problem: the reason, as in the debug log.
   */
  readonly detail?: string;
  /** With `code-mismatch`: codes that may still be tried. */
  readonly attemptsLeft?: number;
  /** Seconds, as in `Retry-After`. */
  readonly retryAfter?: number;
  /** With `too-many-requests` of a locked subject: the methods that can still be named, because they cannot be guessed. */
  readonly methods?: readonly string[];
  /** With `send-failed`: the confirmation to resend. */
  readonly id?: string;
  /** With `send-failed`: when it can be resent, in ISO 8601. */
  readonly resendAt?: string;
}

/** Status and title of each error code. An unknown code is an error of the server. */
const PROBLEMS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  'invalid-request': [400, 'The request is malformed.'],
  'no-subject': [403, 'There is no subject for this confirmation.'],
  'no-method': [403, 'There is no method that could confirm this.'],
  'confirmation-required': [403, 'This needs a confirmation.'],
  'not-found': [404, 'There is no such confirmation, or no such factor.'],
  'already-confirmed': [409, 'It is already confirmed.'],
  'already-used': [409, 'It is already used.'],
  'confirmation-used': [409, 'The confirmation is already used.'],
  'method-not-allowed': [409, 'It cannot be confirmed in this way.'],
  'last-factor': [409, 'It is the last one.'],
  'no-factor': [409, 'There is no authenticator.'],
  conflict: [409, 'A concurrent call changed the same data.'],
  expired: [410, 'The code has expired.'],
  'attempts-exhausted': [410, 'All attempts are spent.'],
  cancelled: [410, 'It was cancelled.'],
  'unknown-secret': [410, 'It can no longer be checked.'],
  'sender-removed': [410, 'It cannot be sent again.'],
  'unsupported-media-type': [415, 'Send application/json.'],
  'code-mismatch': [422, 'The code is wrong.'],
  'idempotency-key-reused': [422, 'The key belongs to another request.'],
  'no-recipient': [422, 'There is no address or number for this way.'],
  'recipient-not-allowed': [422, 'No code can be sent there.'],
  'too-many-requests': [429, 'Too many requests.'],
  'invalid-call': [500, 'The server made a mistake.'],
  'invalid-configuration': [500, 'The server is not set up for this.'],
  'send-failed': [503, 'The code could not be sent.'],
  'temporarily-unavailable': [503, 'Try again in a moment.'],
  'out-of-service': [503, 'This does not work at present.'],
};

const UNKNOWN = [500, 'Something went wrong.'] as const;

/** The problem of an error code. */
export function problem(error: string, members: Partial<Problem> = {}): Problem {
  const [status, title] = PROBLEMS[error] ?? UNKNOWN;
  const type = `urn:nestjs-two-factor:${error}`;
  const { instance = `urn:uuid:${randomUUID()}`, ...others } = members;
  return { type, title, status, error, instance, ...others };
}

/** The problem of an error. Only in development does it contain the error's message, as `detail`. */
export function problemOf(error: TwoFactorError, now = Date.now()): Problem {
  const reason = showsReasons() ? { detail: error.message } : {};
  return problem(error.code, { ...reason, ...members(error, now) });
}

function members(error: TwoFactorError, now: number): Partial<Problem> {
  if (error instanceof TwoFactorCodeMismatchError) return { attemptsLeft: error.attemptsLeft };
  if (error instanceof TwoFactorInputError && error.detail !== undefined) {
    return { detail: error.detail };
  }
  if (
    error instanceof TwoFactorUnavailableError ||
    error instanceof TwoFactorTooManyRequestsError
  ) {
    const { retryAfterSeconds } = error;
    const wait = retryAfterSeconds === null ? {} : { retryAfter: retryAfterSeconds };
    const isNamed = error instanceof TwoFactorTooManyRequestsError && error.methods !== undefined;
    return isNamed ? { ...wait, methods: error.methods } : wait;
  }
  if (error instanceof TwoFactorSendError) {
    const retryAfter = Math.max(1, Math.ceil((error.resendAt.getTime() - now) / 1_000));
    return { id: error.id, resendAt: error.resendAt.toISOString(), retryAfter };
  }
  return {};
}
