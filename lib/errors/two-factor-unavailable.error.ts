import type { LimitName } from './two-factor-too-many-requests.error.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The database or the limit store did not respond in time, is unreachable or read-only, or kept losing races; or the messages of
 * a sender, or of all senders, are used up. The outcome is unknown: never treat it as success. HTTP 503 with `Retry-After`.
 *
 * @publicApi
 */
export class TwoFactorUnavailableError extends TwoFactorError {
  override readonly code = 'temporarily-unavailable';
  /** Whole seconds after which a repeated call may succeed. */
  readonly retryAfterSeconds: number;
  /** The quota that is used up; `null` for another reason. */
  readonly limit: LimitName | null;
  /**
   * When the window of that limit ends, in exact epoch milliseconds. Clients never receive it.
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
