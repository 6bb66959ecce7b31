import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The phone number or address can never receive this message: it is none of that kind, the `destinations` of the sender leave it
 * out, or the provider refuses it. Sender backends throw this error for permanent failures. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorRecipientError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorRecipientError');
  }

  override readonly code = 'recipient-not-allowed';
}
