import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The idempotency key was used for another request: for another phone number or address, sender, life or other details. Nothing
 * was created and nothing was sent. Draw a new key for each request. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorKeyReusedError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorKeyReusedError');
  }

  override readonly code = 'idempotency-key-reused';
}
