import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * A guarded route was called without a proof for its purpose, its subject and its details. HTTP 403.
 *
 * @publicApi
 */
export class TwoFactorConfirmationRequiredError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorConfirmationRequiredError');
  }

  override readonly code = 'confirmation-required';
}
