import { brand } from './brand.js';
import type { LimitName } from './two-factor-too-many-requests.error.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The database or the limit store did not respond in time, is unreachable or read-only, or kept losing races; or the messages of
 * a sender, or of all senders, are used up. The outcome is unknown: never treat it as success. HTTP 503: with `Retry-After` as
 * `temporarily-unavailable`, without it as `out-of-service`.
 *
 * @publicApi
 */
export class TwoFactorUnavailableError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorUnavailableError');
  }

  /** `out-of-service` when a repeated call cannot succeed before an operator has repaired the server. */
  override readonly code: 'temporarily-unavailable' | 'out-of-service';
  /** Whole seconds after which a repeated call may succeed; `null` when an operator must act first. */
  readonly retryAfterSeconds: number | null;
  /** The quota that is used up; `null` for another reason. */
  readonly limit: LimitName | null;
  /**
   * When the window of `limit` ends, in exact epoch milliseconds. Clients never receive this time.
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
      retryAfterSeconds?: number | null;
      limit?: LimitName;
      limitEndsAt?: number;
    } = {},
  ) {
    super(message, options);
    this.code = retryAfterSeconds === null ? 'out-of-service' : 'temporarily-unavailable';
    this.retryAfterSeconds = retryAfterSeconds;
    this.limit = limit ?? null;
    this.limitEndsAt = limitEndsAt ?? null;
  }
}
