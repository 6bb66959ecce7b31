import { brand } from './brand.js';

/**
 * The base class of all errors of this package. `code` is stable, so switch on it; messages may change in any release.
 *
 * No error carries a one-time code, a secret or a full phone number or address. `instanceof` also recognises the errors of
 * another copy of this package in the process.
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
  static {
    brand(this, 'TwoFactorError');
  }

  /** The stable error code; over HTTP the member `error` of the problem. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
