import { TwoFactorError } from './two-factor.error.js';

/**
 * The token can never receive this message: it is no address of that kind, or the provider refuses it. Sender backends throw this
 * error for permanent failures. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorRecipientError extends TwoFactorError {
  override readonly code = 'recipient-not-allowed';
}
