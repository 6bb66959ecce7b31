import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * An argument of a method is invalid: wrong type, length or alphabet, a second phone number or address. No quota was
 * consumed and nothing was written. HTTP 400.
 *
 * @publicApi
 */
export class TwoFactorInputError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorInputError');
  }

  override readonly code = 'invalid-request';
  /**
   * A text for the client, in names that the application declared: members of details, ways of a purpose. It never contains a
   * value of the client. Over HTTP it is the `detail` of the problem.
   */
  readonly detail: string | undefined;

  constructor(message: string, options?: ErrorOptions & { readonly detail?: string }) {
    super(message, options);
    this.detail = options?.detail;
  }
}
