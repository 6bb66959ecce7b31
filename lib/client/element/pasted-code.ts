/** As `lib/crypto/code.ts`, which drops the same characters and reads the same digits on the server. */
const IGNORED_CHARACTERS =
  /[\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\p{Pd}\u2212]/gu;
const FOREIGN_DIGIT = /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\uff10-\uff19]/g;
const ZEROS = [0x06_60, 0x06_f0, 0x09_66, 0xff_10];
/** A whole message is short. Anything longer was copied by mistake. */
const MAX_LENGTH = 1_000;

/** The text without spaces, dashes and invisible marks, its digits in ASCII. */
export function plainCode(text: string): string {
  return asciiDigits(text).replace(IGNORED_CHARACTERS, '');
}

function asciiDigits(text: string): string {
  return text.replace(FOREIGN_DIGIT, (digit) => {
    const point = digit.charCodeAt(0);
    return String(point - ZEROS.find((zero) => point >= zero && point < zero + 10)!);
  });
}

/**
 * The code in a pasted text: the whole text without decoration, or within a whole message the only number with as many digits as
 * the code has; `null` when there is none, or more than one.
 */
export function pastedCode(text: string, length: number | undefined): string | null {
  if (text.length > MAX_LENGTH) return null;
  const code = plainCode(text);
  if (length === undefined || code.length === length) return code;
  // A number in groups of digits, such as "042 317" or "042-317".
  const numbers = asciiDigits(text).match(/\d+(?:[ \u00a0\u202f-]\d+)*/g) ?? [];
  const found = new Set(numbers.map(plainCode).filter((each) => each.length === length));
  return found.size === 1 ? [...found][0]! : null;
}
