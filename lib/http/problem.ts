import { randomUUID } from 'node:crypto';

import {
  TwoFactorCodeMismatchError,
  TwoFactorError,
  TwoFactorInputError,
  TwoFactorSendError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
} from '../errors/index.js';

/**
 * The body of an error response (RFC 9457, `application/problem+json`). `error` is the code to switch on.
 *
 * @publicApi
 */
export interface Problem {
  /** The error code as a URN: `urn:nestjs-two-factor:expired`. */
  readonly type: string;
  /** A sentence for developers. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** The stable error code, as `TwoFactorError.code`. */
  readonly error: string;
  /** Identifies this occurrence; the log contains it, too. */
  readonly instance: string;
  /** With some `invalid-request`: the declared details or ways that were expected. */
  readonly detail?: string;
  /** With `code-mismatch`: codes that may still be tried. */
  readonly attemptsLeft?: number;
  /** Seconds, as in `Retry-After`. */
  readonly retryAfter?: number;
  /** With `send-failed`: the confirmation to resend. */
  readonly id?: string;
  /** With `send-failed`: when it can be resent, in ISO 8601. */
  readonly resendAt?: string;
}

/** Status and title of each error code. An unknown code is an error of the server. */
const PROBLEMS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  'invalid-request': [400, 'The request is malformed.'],
  'no-subject': [403, 'There is no subject for this confirmation.'],
  'confirmation-required': [403, 'This needs a confirmation.'],
  'not-found': [404, 'There is no such confirmation.'],
  'already-confirmed': [409, 'It is already confirmed.'],
  'already-used': [409, 'It is already used.'],
  'confirmation-used': [409, 'The confirmation is already used.'],
  conflict: [409, 'A concurrent call changed the same data.'],
  expired: [410, 'The code has expired.'],
  'attempts-exhausted': [410, 'All attempts are spent.'],
  cancelled: [410, 'It was cancelled.'],
  'unknown-secret': [410, 'It can no longer be checked.'],
  'unsupported-media-type': [415, 'Send application/json.'],
  'code-mismatch': [422, 'The code is wrong.'],
  'recipient-not-allowed': [422, 'No code can be sent there.'],
  'too-many-requests': [429, 'Too many requests.'],
  'invalid-configuration': [500, 'The server is not set up for this.'],
  'send-failed': [503, 'The code could not be sent.'],
  'temporarily-unavailable': [503, 'Try again in a moment.'],
};

const UNKNOWN = [500, 'Something went wrong.'] as const;

/** The problem of an error code. */
export function problem(error: string, members: Partial<Problem> = {}): Problem {
  const [status, title] = PROBLEMS[error] ?? UNKNOWN;
  const type = `urn:nestjs-two-factor:${error}`;
  const { instance = `urn:uuid:${randomUUID()}`, ...others } = members;
  return { type, title, status, error, instance, ...others };
}

/** The problem of an error. It does not contain the error's message. */
export function problemOf(error: TwoFactorError, now = Date.now()): Problem {
  return problem(error.code, members(error, now));
}

function members(error: TwoFactorError, now: number): Partial<Problem> {
  if (error instanceof TwoFactorCodeMismatchError) return { attemptsLeft: error.attemptsLeft };
  if (error instanceof TwoFactorInputError && error.detail !== undefined) {
    return { detail: error.detail };
  }
  if (error instanceof TwoFactorUnavailableError) return { retryAfter: error.retryAfterSeconds };
  if (error instanceof TwoFactorTooManyRequestsError && error.retryAfterSeconds !== null) {
    return { retryAfter: error.retryAfterSeconds };
  }
  if (error instanceof TwoFactorSendError) {
    const retryAfter = Math.max(1, Math.ceil((error.resendAt.getTime() - now) / 1_000));
    return { id: error.id, resendAt: error.resendAt.toISOString(), retryAfter };
  }
  return {};
}
