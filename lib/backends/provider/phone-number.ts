import { kindOf } from '../../confirmation/model/token-kind.js';
import { TwoFactorRecipientError } from '../../errors/index.js';

/** What people write between the digits of a number. Not brackets: in `+44 (0)20` they hold a zero that is not dialled from abroad. */
const SEPARATORS = /[ .-]/g;

/**
 * The number that a provider is given: `+`, the country code and digits. Blanks, dots and hyphens are removed, because a client may
 * write them and providers refuse them.
 *
 * @throws TwoFactorRecipientError for everything else.
 */
export function phoneNumberOf(token: string): string {
  const number = token.replace(SEPARATORS, '');
  if (kindOf(number) === 'phone') return number;
  throw new TwoFactorRecipientError(
    'The recipient is not a phone number of a plus, its country code and digits. Normalise numbers before they are requested.',
  );
}
