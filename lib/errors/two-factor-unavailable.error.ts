import { TwoFactorError } from './two-factor.error.js';

/**
 * The database did not answer in time, is unreachable, read-only, or kept refusing because of others. Nothing may be
 * concluded: above all, never success. HTTP 503 with `Retry-After`.
 *
 * @publicApi
 */
export class TwoFactorUnavailableError extends TwoFactorError {
  override readonly code = 'temporarily-unavailable';
  /** Whole seconds after which a repeated call has a chance. */
  readonly retryAfterSeconds: number = 1;
}
