import { TwoFactorError } from './two-factor.error.js';

/**
 * A cooldown or a budget stands in the way. HTTP 429, with `Retry-After` where waiting helps.
 *
 * @publicApi
 */
export class TwoFactorTooManyRequestsError extends TwoFactorError {
  override readonly code = 'too-many-requests';

  constructor(
    message: string,
    /** Whole seconds until the same call can succeed, at least 1; `null` when it never can. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}
