import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * There is no such confirmation: unknown, purged, erased, or of another subject. The error does not distinguish these
 * cases. HTTP 404.
 *
 * @publicApi
 */
export class TwoFactorNotFoundError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorNotFoundError');
  }

  override readonly code = 'not-found';
}
