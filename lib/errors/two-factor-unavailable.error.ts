import type { LimitName } from './two-factor-too-many-requests.error.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The database or the limit store did not answer in time, is unreachable, read-only, or kept refusing because of others;
 * or the messages of a sender, or of all, are used up. Nothing may be concluded: above all, never success. HTTP 503 with
 * `Retry-After`.
 *
 * @publicApi
 */
export class TwoFactorUnavailableError extends TwoFactorError {
  override readonly code = 'temporarily-unavailable';
  /** Whole seconds after which a repeated call has a chance. */
  readonly retryAfterSeconds: number;
  /** The budget that is used up, if that is why. */
  readonly limit: LimitName | null;
  /**
   * When the window of that limit ends, epoch milliseconds: exact, and so never for clients.
   *
   * @internal
   */
  readonly limitEndsAt: number | null;

  constructor(
    message: string,
    {
      retryAfterSeconds = 1,
      limit,
      limitEndsAt,
      ...options
    }: ErrorOptions & {
      retryAfterSeconds?: number;
      limit?: LimitName;
      limitEndsAt?: number;
    } = {},
  ) {
    super(message, options);
    this.retryAfterSeconds = retryAfterSeconds;
    this.limit = limit ?? null;
    this.limitEndsAt = limitEndsAt ?? null;
  }
}
