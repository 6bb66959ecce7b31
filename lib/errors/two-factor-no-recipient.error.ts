import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The `recipient` resolver of a purpose returned nothing: the subject has no address or number for this way. Let the person add
 * one, or choose another way. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorNoRecipientError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorNoRecipientError');
  }

  override readonly code = 'no-recipient';
}
