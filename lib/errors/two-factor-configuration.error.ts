import { TwoFactorError } from './two-factor.error.js';

/**
 * An option, a sender backend or the database set-up makes the module unsafe or unable to work. Thrown at boot where
 * it can be known there; the message names the offender and the remedy.
 *
 * @publicApi
 */
export class TwoFactorConfigurationError extends TwoFactorError {
  override readonly code = 'invalid-configuration';
}
