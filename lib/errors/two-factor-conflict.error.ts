import { TwoFactorError } from './two-factor.error.js';

/**
 * The caller's transaction lost a race (serialization failure, deadlock, changed snapshot) and is dead: roll back and, if
 * it makes sense, run the whole transaction again. HTTP 409.
 *
 * @publicApi
 */
export class TwoFactorConflictError extends TwoFactorError {
  override readonly code = 'conflict';
}
