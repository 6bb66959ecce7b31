import { drawBytes, plainHash, withoutDecoration } from '../../crypto/index.js';
import { TwoFactorInputError } from '../../errors/index.js';

/** Crockford's base32: no letter that is taken for a digit, and no U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 25;
const GROUP = 5;
/** Longer input is refused before any further check. */
const MAX_INPUT_LENGTH = 128;
const RULE = `A recovery code has ${LENGTH} letters and digits, in groups of ${GROUP}. Spaces, dashes and invisible marks do not count.`;

/** Draws a recovery code with 125 random bits, such as `K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P`. */
export function drawRecoveryCode(): string {
  const symbols = Array.from(drawBytes(LENGTH), (byte) => ALPHABET[byte & 31]).join('');
  return symbols.replaceAll(/.{5}(?=.)/g, '$&-');
}

/**
 * A typed or pasted recovery code, without the decoration that a sent code may carry too. I and L are read as 1, O as 0.
 *
 * @throws TwoFactorInputError for anything that cannot be one.
 */
export function parseRecoveryCode(input: unknown): string {
  if (typeof input === 'string' && input.length <= MAX_INPUT_LENGTH) {
    const symbols = withoutDecoration(input)
      .toUpperCase()
      .replaceAll(/[IL]/g, '1')
      .replaceAll('O', '0');
    const isCode =
      symbols.length === LENGTH && Array.from(symbols).every((each) => ALPHABET.includes(each));
    if (isCode) return symbols;
  }
  throw new TwoFactorInputError(RULE, { detail: RULE });
}

/**
 * The hash of a recovery code that is stored. It includes the subject, so that a guess cannot be tried for all subjects at once.
 */
export function recoveryHandle(application: string, subject: string, symbols: string): string {
  return plainHash('recovery', application, subject, symbols);
}
