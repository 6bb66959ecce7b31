import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The `subject` resolver of a purpose returned nothing for the caller, for example for a visitor without a session.
 * HTTP 403.
 *
 * @publicApi
 */
export class TwoFactorNoSubjectError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorNoSubjectError');
  }

  override readonly code = 'no-subject';
}
