import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The application called a method in a wrong way, such as with a `manager` that is in no transaction. No client can cause or
 * mend it. Nothing was written. HTTP 500.
 *
 * @publicApi
 */
export class TwoFactorCallError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorCallError');
  }

  override readonly code = 'invalid-call';
}
