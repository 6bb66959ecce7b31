import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The subject has none of the methods that the purpose allows, for example no authenticator app. HTTP 403.
 *
 * @publicApi
 */
export class TwoFactorNoMethodError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorNoMethodError');
  }

  override readonly code = 'no-method';
}
