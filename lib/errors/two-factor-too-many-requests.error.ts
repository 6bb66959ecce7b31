import { brand } from './brand.js';
import type { MethodName } from './method-name.js';
import { TwoFactorError } from './two-factor.error.js';

/** The limit that refused a call. The options have the same names, in camel case. */
export type LimitName =
  | 'cooldown'
  | 'max-sends'
  | 'failures'
  | 'pending'
  | 'sends-per-token'
  | 'sends-per-requester'
  | 'requests-per-requester'
  | 'sends-per-network'
  | 'sends-per-prefix'
  | 'sends-per-sender'
  | 'sends-in-total';

/**
 * A cooldown or a quota refused the call. HTTP 429, with `Retry-After` where waiting helps.
 *
 * @publicApi
 */
export class TwoFactorTooManyRequestsError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorTooManyRequestsError');
  }

  override readonly code = 'too-many-requests';

  constructor(
    message: string,
    /** Whole seconds until the same call can succeed, at least 1; `null` when waiting does not help. */
    readonly retryAfterSeconds: number | null,
    /** The limit that refused the call. It is not part of the HTTP response. */
    readonly limit: LimitName,
    /**
     * The methods that cannot be guessed, and by which the subject can confirm in spite of its lock: name one of them in another
     * request. Absent where there is none.
     */
    readonly methods?: readonly MethodName[],
  ) {
    super(message);
  }
}
