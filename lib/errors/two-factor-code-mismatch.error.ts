import { TwoFactorError } from './two-factor.error.js';

/**
 * A well-formed but wrong code. `ConfirmerService.confirm` answers `[state, false]` instead; the controller turns that
 * into this error. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorCodeMismatchError extends TwoFactorError {
  override readonly code = 'code-mismatch';

  constructor(
    /** Attempts that are left after this one. */
    readonly attemptsLeft: number,
  ) {
    super('The code is wrong.');
  }
}
