import { E164 } from '../../limits/canonical-token.js';
import { isEmailAddress } from './email-address.js';

/**
 * The kind of a recipient, by its normalised spelling: one plain mailbox, a number of ITU-T E.164 (with `+`), or something else,
 * such as a chat id or a number without a country.
 */
export type TokenKind = 'email' | 'phone' | 'other';

export function kindOf(normalizedToken: string): TokenKind {
  if (E164.test(normalizedToken)) return 'phone';
  return isEmailAddress(normalizedToken) ? 'email' : 'other';
}
