import { TwoFactorError } from './two-factor.error.js';

/**
 * A purpose with a `subject` and a `recipient` resolver was asked for by somebody for whom one of them yields nothing,
 * for instance by a visitor who is not signed in. HTTP 403.
 *
 * @publicApi
 */
export class TwoFactorNoSubjectError extends TwoFactorError {
  override readonly code = 'no-subject';
}
