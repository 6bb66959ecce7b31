import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/**
 * The code, or the response of another method, is well-formed but wrong. The controller throws it; `ConfirmerService.confirm` returns `[state, false]` instead. HTTP 422.
 *
 * @publicApi
 */
export class TwoFactorCodeMismatchError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorCodeMismatchError');
  }

  override readonly code = 'code-mismatch';

  constructor(
    /** The number of attempts after this one. */
    readonly attemptsLeft: number,
    /** A sentence that says why to developers. */
    reason = 'The code is wrong.',
  ) {
    super(reason);
  }
}
