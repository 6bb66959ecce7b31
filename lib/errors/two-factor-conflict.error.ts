import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The caller's transaction lost a race (serialization failure, deadlock, changed snapshot) and cannot continue. Roll it back and,
 * if that makes sense, run the whole transaction again. HTTP 409.
 *
 * @publicApi
 */
export class TwoFactorConflictError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorConflictError');
  }

  override readonly code = 'conflict';
}
