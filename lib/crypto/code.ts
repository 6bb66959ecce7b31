import { randomInt } from 'node:crypto';

import { TwoFactorInputError } from '../errors/index.js';

/** Draws one code, synchronously or asynchronously. Spaces and dashes are decoration and no part of the code. */
export type CodeGenerator = () => string | Promise<string>;

const MIN_LENGTH = 6;
const MAX_DIGITS_PER_DRAW = 14;
const MAX_LENGTH = 64;
/** Longer input is refused before any further check, so that no check runs over megabytes. */
const MAX_INPUT_LENGTH = 128;
/**
 * What a copied code may carry beside its characters: all spaces, tab and line breaks, all dashes and the minus sign, the soft
 * hyphen, zero-width characters, and the marks and embeddings that mail programs put around digits in a text from right to left.
 */
const DECORATION =
  /[\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\p{Pd}\u2212]/gu;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
/** Digits of keyboards that are not Latin: Arabic-Indic, Persian, Devanagari and full-width. */
const FOREIGN_DIGIT = /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\uff10-\uff19]/g;
const FOREIGN_ZEROS = [0x06_60, 0x06_f0, 0x09_66, 0xff_10] as const;
const RULE =
  `A code is a string of ${MIN_LENGTH} to ${MAX_LENGTH} letters, digits or other printable ASCII characters. Spaces, line breaks, ` +
  'dashes and invisible marks do not count; digits may be Arabic-Indic, Persian, Devanagari or full-width.';
/** No vowels, so that no code is a word, and no letters that look alike (RFC 8628 6.1). */
const BASE_20 = 'BCDFGHJKLMNPQRSTVWXZ';

/**
 * Creates a generator of uniformly drawn decimal codes, leading zeros included (NIST SP 800-63B-4 3.1.3.2 requires at least 6
 * digits).
 *
 * @param length 6 to 64 digits.
 * @throws RangeError for another length.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ secret, codeGenerator: digits(8) });
 * ```
 * @publicApi
 */
export function digits(length = 6): CodeGenerator {
  assertLength(length);
  // The range of randomInt ends at 2^48, so a longer code is drawn digit by digit.
  if (length > MAX_DIGITS_PER_DRAW)
    return () => Array.from({ length }, () => randomInt(10)).join('');
  return () => String(randomInt(10 ** length)).padStart(length, '0');
}

/**
 * Creates a generator of codes from 20 consonants with about 4.3 bits each (RFC 8628 6.1): 8 of them are stronger than 10 digits.
 * Codes are compared exactly, so use an input field that converts to upper case.
 *
 * @param length 6 to 64 letters.
 * @throws RangeError for another length.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ secret, codeGenerator: letters(8) });
 * ```
 * @publicApi
 */
export function letters(length = 8): CodeGenerator {
  assertLength(length);
  return () => Array.from({ length }, () => BASE_20[randomInt(BASE_20.length)]).join('');
}

function assertLength(length: number): void {
  if (!Number.isInteger(length) || length < MIN_LENGTH || length > MAX_LENGTH) {
    throw new RangeError(`A code has ${MIN_LENGTH} to ${MAX_LENGTH} characters, not ${length}.`);
  }
}

/**
 * The code that a person typed or pasted: without decoration, its digits in ASCII; `null` for a text that no code can be. A code
 * has 6 to 64 printable ASCII characters.
 *
 * Each text means at most one code, and only decoration and the script of a digit are ignored. So two different codes never
 * become equal, and an attempt still compares one code.
 */
export function normaliseCode(input: unknown): string | null {
  if (typeof input !== 'string' || input.length > MAX_INPUT_LENGTH) return null;
  const code = withoutDecoration(input);
  if (code.length < MIN_LENGTH || code.length > MAX_LENGTH) return null;
  return PRINTABLE_ASCII.test(code) ? code : null;
}

/** What a person typed or pasted, without the decoration of a copied code, and with its digits in ASCII. */
export function withoutDecoration(text: string): string {
  return withAsciiDigits(text.replace(DECORATION, ''));
}

/** The text with Arabic-Indic, Persian, Devanagari and full-width digits in ASCII. */
export function withAsciiDigits(text: string): string {
  return text.replace(FOREIGN_DIGIT, asciiDigit);
}

function asciiDigit(digit: string): string {
  const point = digit.charCodeAt(0);
  const zero = FOREIGN_ZEROS.find((first) => point >= first && point < first + 10)!;
  return String(point - zero);
}

/**
 * Parses a typed or pasted code, as `normaliseCode` does.
 *
 * @throws TwoFactorInputError for anything that cannot be a code.
 */
export function parseCode(input: unknown): string {
  const code = normaliseCode(input);
  if (code === null) throw new TwoFactorInputError(RULE, { detail: RULE });
  return code;
}
