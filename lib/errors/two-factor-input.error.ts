import { TwoFactorError } from './two-factor.error.js';

/**
 * The caller broke the contract of a method: wrong type, length or alphabet, a second token, a manager without
 * transaction. Nothing was charged and nothing was written. HTTP 400.
 *
 * @publicApi
 */
export class TwoFactorInputError extends TwoFactorError {
  override readonly code = 'invalid-request';
  /**
   * What a client may read about it, in names that the application declared: the members of details, the ways of a purpose.
   * Never a text of the client. Over HTTP it is the `detail` of the problem.
   */
  readonly detail: string | undefined;

  constructor(message: string, options?: ErrorOptions & { readonly detail?: string }) {
    super(message, options);
    this.detail = options?.detail;
  }
}
