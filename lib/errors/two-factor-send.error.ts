import { TwoFactorError } from './two-factor.error.js';

/**
 * The confirmation exists, but its message was not accepted for delivery (provider down, time-out). Resend it by its id
 * from `resendAt` on. `cause` holds the provider's message with code and token struck out. HTTP 503.
 *
 * @publicApi
 */
export class TwoFactorSendError extends TwoFactorError {
  override readonly code = 'send-failed';

  constructor(
    message: string,
    /** The confirmation that was not delivered. */
    readonly id: string,
    /** From when on `resend(id)` is accepted. */
    readonly resendAt: Date,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
