import { TwoFactorError } from './two-factor.error.js';

/** Why a confirmation can not do what it was asked for. */
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
 * The confirmation is in a state that does not allow the step. HTTP 409 for `already-confirmed` and `already-used`,
 * 410 for the terminal ones.
 *
 * @publicApi
 */
export class TwoFactorStateError extends TwoFactorError {
  constructor(override readonly code: TwoFactorStateCode) {
    super(MESSAGES[code]);
  }
}
