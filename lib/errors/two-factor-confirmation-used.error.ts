import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The proof of a guarded route was used before, or became unusable while the route ran. HTTP 409.
 *
 * @publicApi
 */
export class TwoFactorConfirmationUsedError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorConfirmationUsedError');
  }

  override readonly code = 'confirmation-used';
}
