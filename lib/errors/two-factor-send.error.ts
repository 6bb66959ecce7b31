import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The confirmation exists, but its message was not accepted for delivery, for example because of a time-out. Resend it by its id
 * after `resendAt`. `cause` has the provider's message without the code and the phone number or address. HTTP 503.
 *
 * @publicApi
 */
export class TwoFactorSendError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorSendError');
  }

  override readonly code = 'send-failed';

  constructor(
    message: string,
    /** The id of the confirmation. */
    readonly id: string,
    /** When `resend(id)` is accepted. */
    readonly resendAt: Date,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
