import { TwoFactorError } from './two-factor.error.js';

/** Which limit stands in the way; the options are called alike. */
export type LimitName =
  | 'cooldown'
  | 'max-sends'
  | 'failures'
  | 'pending'
  | 'sends-per-token'
  | 'sends-per-requester'
  | 'sends-per-network'
  | 'sends-per-sender'
  | 'sends-in-total';

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
    /** Which one; not told over HTTP. */
    readonly limit: LimitName,
  ) {
    super(message);
  }
}
