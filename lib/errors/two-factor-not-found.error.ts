import { TwoFactorError } from './two-factor.error.js';

/**
 * No such confirmation: unknown, purged, erased, or not the caller's. These are told apart nowhere. HTTP 404.
 *
 * @publicApi
 */
export class TwoFactorNotFoundError extends TwoFactorError {
  override readonly code = 'not-found';
}
