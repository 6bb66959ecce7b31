import { randomInt } from 'node:crypto';

import { TwoFactorInputError } from '../errors/index.js';

/** Draws one code, synchronously or asynchronously. Spaces and `-` are decoration and no part of the code. */
export type CodeGenerator = () => string | Promise<string>;

const MIN_LENGTH = 6;
const MAX_ONE_DRAW = 14;
const MAX_LENGTH = 64;
/** Longer input is refused before any further check, so that no check runs over megabytes. */
const MAX_INPUT_LENGTH = 128;
const DECORATION = /[ \u00a0-]/g;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
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
  if (length > MAX_ONE_DRAW) return () => Array.from({ length }, () => randomInt(10)).join('');
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

/** The code without decoration; `null` for a text that no code can be. A code has 6 to 64 printable ASCII characters. */
export function normaliseCode(input: unknown): string | null {
  if (typeof input !== 'string' || input.length > MAX_INPUT_LENGTH) return null;
  const code = input.replace(DECORATION, '');
  if (code.length < MIN_LENGTH || code.length > MAX_LENGTH) return null;
  return PRINTABLE_ASCII.test(code) ? code : null;
}

/**
 * Parses a typed code: removes ASCII spaces, no-break spaces and `-`; all other characters must be printable ASCII. Digits of other
 * scripts are refused and not converted.
 *
 * @throws TwoFactorInputError for anything that cannot be a code.
 */
export function parseCode(input: unknown): string {
  const code = normaliseCode(input);
  if (code === null) {
    throw new TwoFactorInputError(
      `A code is a string of ${MIN_LENGTH} to ${MAX_LENGTH} printable ASCII characters; spaces and "-" do not count.`,
    );
  }
  return code;
}
