import { randomInt } from 'node:crypto';

import { TwoFactorInputError } from '../errors/index.js';

/** Draws one code. May be asynchronous; spaces and `-` are only decoration and are not part of the code. */
export type CodeGenerator = () => string | Promise<string>;

const MIN_LENGTH = 6;
const MAX_ONE_DRAW = 14;
const MAX_LENGTH = 64;
/** Longer input is refused unread, so that nothing is ever run over megabytes. */
const MAX_INPUT_LENGTH = 128;
const DECORATION = /[ \u00a0-]/g;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
/** No vowels, so no words; none that look alike (RFC 8628 6.1). */
const BASE_20 = 'BCDFGHJKLMNPQRSTVWXZ';

/**
 * A generator of uniformly drawn decimal codes, leading zeros included (NIST SP 800-63B-4 3.1.3.2 asks for at least 6
 * digits).
 *
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ secret, codeGenerator: digits(8) });
 * ```
 * @publicApi
 */
export function digits(length = 6): CodeGenerator {
  assertLength(length);
  // randomInt's range ends below 2^48: a longer code is drawn digit by digit.
  if (length > MAX_ONE_DRAW) return () => Array.from({ length }, () => randomInt(10)).join('');
  return () => String(randomInt(10 ** length)).padStart(length, '0');
}

/**
 * A generator of codes from 20 consonants, about 4.3 bits each (RFC 8628 6.1): 8 of them are worth more than 10 digits.
 * They are compared exactly: show an input that turns what is typed into upper case.
 *
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

/** The code without its decoration, or `null` when it cannot be one: 6-64 printable ASCII characters. */
export function normaliseCode(input: unknown): string | null {
  if (typeof input !== 'string' || input.length > MAX_INPUT_LENGTH) return null;
  const code = input.replace(DECORATION, '');
  if (code.length < MIN_LENGTH || code.length > MAX_LENGTH) return null;
  return PRINTABLE_ASCII.test(code) ? code : null;
}

/**
 * What a person typed, as the code it means: ASCII spaces, no-break spaces and `-` are dropped once, everything else must
 * be printable ASCII. Digits of other scripts, full-width ones included, are refused rather than guessed.
 *
 * @throws TwoFactorInputError for anything that no code can look like.
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
