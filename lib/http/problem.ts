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
 * The body of a refusal (RFC 9457, `application/problem+json`). `error` is the slug to switch on.
 *
 * @publicApi
 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly error: string;
  /** Names this very occurrence, and is in the log beside it. */
  readonly instance: string;
  /** With some `invalid-request`: which declared details or ways were expected. */
  readonly detail?: string;
  /** With `code-mismatch`. */
  readonly attemptsLeft?: number;
  /** Seconds, as in `Retry-After`. */
  readonly retryAfter?: number;
  /** With `send-failed`: the confirmation to resend. */
  readonly id?: string;
  /** With `send-failed`: from when on. ISO 8601. */
  readonly resendAt?: string;
}

/** Status and title of every slug; a slug that is not here is a fault of the server. */
const PROBLEMS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  'invalid-request': [400, 'The request is malformed.'],
  'no-subject': [403, 'There is nobody to ask for this confirmation.'],
  'confirmation-required': [403, 'This needs a confirmation.'],
  'not-found': [404, 'There is no such confirmation.'],
  'already-confirmed': [409, 'It is already confirmed.'],
  'already-used': [409, 'It is already used.'],
  'confirmation-used': [409, 'The confirmation is already used.'],
  conflict: [409, 'Somebody else was faster.'],
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

/** A refusal by its slug. */
export function problem(error: string, members: Partial<Problem> = {}): Problem {
  const [status, title] = PROBLEMS[error] ?? UNKNOWN;
  const type = `urn:nestjs-two-factor:${error}`;
  return { type, title, status, error, instance: `urn:uuid:${randomUUID()}`, ...members };
}

/** The refusal that an error of this package stands for. Its message stays here. */
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
