import { TwoFactorError } from './two-factor.error.js';

/**
 * The proof that a guarded route was called with is spent, or ceased to be usable while the route ran. HTTP 409.
 *
 * @publicApi
 */
export class TwoFactorConfirmationUsedError extends TwoFactorError {
  override readonly code = 'confirmation-used';
}
