import { brand } from './brand.js';
import { TwoFactorError } from './two-factor.error.js';

/** The state that prevents a step. */
export type TwoFactorStateCode =
  | 'already-confirmed'
  | 'already-used'
  | 'expired'
  | 'attempts-exhausted'
  | 'cancelled'
  | 'sender-removed'
  | 'method-not-allowed'
  | 'last-factor'
  | 'no-factor';

const MESSAGES: Record<TwoFactorStateCode, string> = {
  'already-confirmed': 'The confirmation is already confirmed.',
  'already-used': 'The confirmation is already used.',
  expired: 'The confirmation has expired. Request a new one.',
  'attempts-exhausted': 'All attempts of the confirmation are spent. Request a new one.',
  cancelled: 'The confirmation was cancelled. Request a new one.',
  'sender-removed': 'The sender of the confirmation is not there any more. Request a new one.',
  'method-not-allowed':
    'The confirmation does not allow this method, or has sent no code yet. Use one that it was requested for.',
  'last-factor':
    'It is the last authenticator of the subject. Add another one first, or remove it with allowLast: true.',
  'no-factor':
    'The subject has no authenticator beside which recovery codes could exist. Add one first.',
};

/**
 * The state of the confirmation, or of the subject's factors, does not allow the step. HTTP 410 for `expired`,
 * `attempts-exhausted` and `cancelled`, 409 for the others.
 *
 * @publicApi
 */
export class TwoFactorStateError extends TwoFactorError {
  static {
    brand(this, 'TwoFactorStateError');
  }

  constructor(override readonly code: TwoFactorStateCode) {
    super(MESSAGES[code]);
  }
}
