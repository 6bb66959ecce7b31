import { TwoFactorError } from './two-factor.error.js';

/**
 * The token can never receive this message: not an address of that kind, refused by the provider, not allowed. Sender
 * backends throw it for permanent failures. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorRecipientError extends TwoFactorError {
  override readonly code = 'recipient-not-allowed';
}
