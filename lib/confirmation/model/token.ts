import { withAsciiDigits } from '../../crypto/index.js';
import { TwoFactorInputError } from '../../errors/index.js';
import { hasInvisible } from '../../messages/index.js';
import { isName, NAME_RULE } from '../../options/index.js';

const MAX_TOKEN_LENGTH = 320;

/** Nothing in such a text can come from copying it. */
const PRINTABLE_ASCII = /^[!-~]+$/;
/**
 * What a number carries when it is copied from a web page, a mail or a contact: zero-width and direction marks, soft hyphens. Of the
 * invisible characters these alone are removed: a line break separates, as a blank does, and no other control character comes from copying.
 */
const MARKS = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;
const BLANKS = /[\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
const DASHES = /[\p{Pd}\u2212]/gu;
const NUMBER = /^(?:tel:)?\+?[0-9 ().[\]/~-]{4,64}$/i;
const RULE =
  `A token is a text of 1 to ${MAX_TOKEN_LENGTH} characters, without control characters, invisible marks and blanks around it. ` +
  'In a phone number these do not count: tabs, line breaks, other spaces, dashes and marks that came with copying it.';

/**
 * The recipient of a code: an address, a number, a chat id. Control, direction and zero-width characters are refused for all
 * senders, because they could forge a header or a line of a message. From a phone number they are removed, because people paste
 * them with it. The backend judges everything else.
 *
 * @throws TwoFactorInputError for anything but 1 to 320 such characters.
 */
export function parseToken(token: unknown): string {
  if (typeof token !== 'string' || token.length === 0 || token.length > MAX_TOKEN_LENGTH) {
    throw malformed();
  }
  if (PRINTABLE_ASCII.test(token)) return token;
  const number = asPhoneNumber(token);
  if (number !== null) return number;
  if (token.trim() !== token || !token.isWellFormed() || hasInvisible(token)) throw malformed();
  return token;
}

/** A phone number with spaces, hyphens and ASCII digits alone; `null` for a text that is none. */
function asPhoneNumber(token: string): string | null {
  const text = withAsciiDigits(token.replace(MARKS, ''))
    .replace(BLANKS, ' ')
    .replace(DASHES, '-')
    .replace('\uff0b', '+')
    .trim();
  return NUMBER.test(text) ? text : null;
}

function malformed(): TwoFactorInputError {
  return new TwoFactorInputError(RULE, { detail: RULE });
}

/** @throws TwoFactorInputError for anything but a well-formed sender name. */
export function parseWay(way: unknown): string {
  if (!isName(way)) throw new TwoFactorInputError(`A way is a sender's name: ${NAME_RULE}.`);
  return way;
}
