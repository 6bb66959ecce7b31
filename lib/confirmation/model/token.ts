import { TwoFactorInputError } from '../../errors/index.js';
import { isName, NAME_RULE } from '../../options/index.js';

const MAX_TOKEN_LENGTH = 320;
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

/**
 * The recipient of a code: an address, a number, a chat id. Control, direction and zero-width characters are refused for all
 * senders, because they could forge a header or a line of a message. The backend judges everything else.
 *
 * @throws TwoFactorInputError for anything but 1 to 320 such characters.
 */
export function parseToken(token: unknown): string {
  if (
    typeof token !== 'string' ||
    token.length === 0 ||
    token.length > MAX_TOKEN_LENGTH ||
    token.trim() !== token ||
    !token.isWellFormed() ||
    UNSAFE.test(token)
  ) {
    throw new TwoFactorInputError(
      `A token is a string of 1 to ${MAX_TOKEN_LENGTH} characters, without control characters or blanks around it.`,
    );
  }
  return token;
}

/** @throws TwoFactorInputError for anything but a well-formed sender name. */
export function parseWay(way: unknown): string {
  if (!isName(way)) throw new TwoFactorInputError(`A way is a sender's name: ${NAME_RULE}.`);
  return way;
}
