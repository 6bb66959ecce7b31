import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * An option, a sender backend or the database makes the module unsafe or unusable. It is thrown at boot where that is possible.
 * The message names the cause and the remedy.
 *
 * @publicApi
 */
export class TwoFactorConfigurationError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorConfigurationError');
  }

  override readonly code = 'invalid-configuration';
}
