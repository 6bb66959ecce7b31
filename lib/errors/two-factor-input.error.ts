import { TwoFactorError } from './two-factor.error.js';

/**
 * The caller broke the contract of a method: wrong type, length or alphabet, a second token, a manager without
 * transaction. Nothing was charged and nothing was written. HTTP 400.
 *
 * @publicApi
 */
export class TwoFactorInputError extends TwoFactorError {
  override readonly code = 'invalid-request';
}
