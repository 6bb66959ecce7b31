/**
 * Base of every error of this package. `code` is a stable slug to switch on; messages may be reworded in any release.
 *
 * No error carries a one-time code, a secret or a full token (address, phone number).
 *
 * @example
 * ```ts
 * try {
 *   await twoFactor.resend(id);
 * } catch (error) {
 *   if (error instanceof TwoFactorError && error.code === 'too-many-requests') return retryLater();
 *   throw error;
 * }
 * ```
 * @publicApi
 */
export abstract class TwoFactorError extends Error {
  /** Stable slug, the `error` member of the problem document over HTTP. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
