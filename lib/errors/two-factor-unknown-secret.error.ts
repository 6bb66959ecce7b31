import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The row was signed or sealed under a secret that is no longer in the ring, or was changed in the database. It can never be
 * confirmed; request a new confirmation. HTTP 410.
 *
 * @publicApi
 */
export class TwoFactorUnknownSecretError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorUnknownSecretError');
  }

  override readonly code = 'unknown-secret';
}
