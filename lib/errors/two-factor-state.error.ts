import { TwoFactorError } from './two-factor.error.js';

/** The state that prevents a step. */
export type TwoFactorStateCode =
  'already-confirmed' | 'already-used' | 'expired' | 'attempts-exhausted' | 'cancelled';

const MESSAGES: Record<TwoFactorStateCode, string> = {
  'already-confirmed': 'The confirmation is already confirmed.',
  'already-used': 'The confirmation is already used.',
  expired: 'The confirmation has expired. Request a new one.',
  'attempts-exhausted': 'All attempts of the confirmation are spent. Request a new one.',
  cancelled: 'The confirmation was cancelled. Request a new one.',
};

/**
 * The state of the confirmation does not allow the step. HTTP 409 for `already-confirmed` and `already-used`, 410 for the others.
 *
 * @publicApi
 */
export class TwoFactorStateError extends TwoFactorError {
  constructor(override readonly code: TwoFactorStateCode) {
    super(MESSAGES[code]);
  }
}
