import type { MethodName } from './answers.js';

/** The slugs of the server whose problems have no members of their own. test/client compares them with those of the server. */
type PlainSlug =
  | 'already-confirmed'
  | 'already-used'
  | 'attempts-exhausted'
  | 'cancelled'
  | 'confirmation-required'
  | 'confirmation-used'
  | 'conflict'
  | 'expired'
  | 'idempotency-key-reused'
  | 'invalid-call'
  | 'invalid-configuration'
  | 'invalid-request'
  | 'last-factor'
  | 'method-not-allowed'
  | 'no-factor'
  | 'no-method'
  | 'no-recipient'
  | 'no-subject'
  | 'not-found'
  | 'recipient-not-allowed'
  | 'sender-removed'
  | 'unknown-secret'
  | 'unsupported-media-type';

/** A problem document of the server (RFC 9457). */
interface ServerProblem<Slug extends string> {
  /** The name of the problem, for programs: `switch (problem.error)`. */
  readonly error: Slug;
  /** `urn:nestjs-two-factor:` and the slug. */
  readonly type: string;
  /** A sentence for developers, in English. Word a problem for people by its `error`. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** Names this very occurrence, as the log of the server does. */
  readonly instance: string;
  readonly detail?: string;
}

/**
 * Why a call failed. Switch on `error`, with a default branch: a later version of the server may send a slug that this version of
 * the client does not name.
 *
 * Three slugs are the client's own. `unreachable`: there was no answer, and the call may or may not have had an effect.
 * `unexpected-answer`: the answer was none of this package, such as the 401 of a guard or the 502 of a proxy; `document` is its
 * JSON. `passkey-unanswered`: the browser returned no passkey, and `reason` is the name of its error, such as `NotAllowedError`
 * when the person cancelled.
 */
export type TwoFactorProblem =
  | ServerProblem<PlainSlug>
  | (ServerProblem<'code-mismatch'> & {
      /** Absent for `factors.activate`, which counts no attempts. */
      readonly attemptsLeft?: number;
    })
  | (ServerProblem<'too-many-requests'> & {
      /** The seconds after which the request may be repeated. */
      readonly retryAfter?: number;
      /** The methods that can still be named in a request, when this one is locked. */
      readonly methods?: readonly MethodName[];
    })
  | (ServerProblem<'send-failed'> & {
      /** What to resend. */
      readonly id: string;
      /** From when on, in ISO 8601. */
      readonly resendAt: string;
      readonly retryAfter?: number;
    })
  | (ServerProblem<'temporarily-unavailable' | 'out-of-service'> & {
      readonly retryAfter?: number;
    })
  | {
      readonly error: 'unexpected-answer';
      readonly status: number;
      readonly document: unknown;
      readonly retryAfter?: number;
    }
  | { readonly error: 'unreachable'; readonly status: 0 }
  | { readonly error: 'passkey-unanswered'; readonly status: 0; readonly reason: string };

/** Every slug of `TwoFactorProblem`. */
export type ProblemSlug = TwoFactorProblem['error'];

/** What a call of the client returns. It throws only when the signal of the caller ends it. */
export type TwoFactorResult<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: TwoFactorProblem };

/** The result of a call that has no answer. */
export const UNREACHABLE: TwoFactorResult<never> = {
  ok: false,
  problem: { error: 'unreachable', status: 0 },
};

/** The slugs of refusals after which a confirmation cannot be continued: the next request must be for a new one. */
const ENDS: ReadonlySet<string> = new Set<ProblemSlug>([
  'already-confirmed',
  'already-used',
  'attempts-exhausted',
  'cancelled',
  'expired',
  'not-found',
  'sender-removed',
  'unknown-secret',
]);

/** Whether the confirmation is over after this refusal. After the last wrong code `attemptsLeft` is 0, which means the same. */
export const endsConfirmation = (problem: TwoFactorProblem): boolean =>
  ENDS.has(problem.error) || (problem.error === 'code-mismatch' && problem.attemptsLeft === 0);

/** Whether the call may or may not have had an effect, and may succeed when it is repeated. */
export const hasUnknownOutcome = (problem: TwoFactorProblem): boolean =>
  /^(?:un(?:reachable|expected)|temporarily)/.test(problem.error);

/** The problem of a response whose status is no success, or whose body is not JSON. */
export function problemOf(response: Response, document: unknown): TwoFactorProblem {
  const given = document as TwoFactorProblem & { readonly type?: unknown };
  if (given?.type === `urn:nestjs-two-factor:${given?.error}`) return given;
  const { status, headers } = response;
  const retryAfter = Number(headers.get('retry-after'));
  return { error: 'unexpected-answer', status, document, ...(retryAfter > 0 && { retryAfter }) };
}
