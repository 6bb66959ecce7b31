import { domainToASCII } from 'node:url';

import { withAsciiDigits } from '../crypto/index.js';

/** The `5` of `ext. 5`, `extension 5`, `x5`, `#5`, `,5` after a number; the next expression matches the sign before it. */
const EXTENSION_DIGITS = /\d{1,7}$/;
const EXTENSION_SIGN = /(?:ext(?:ension|n)?\.?|x|#|,{1,3})$/i;
/** Blanks, brackets, every hyphen, minus and tilde, the soft hyphen too; and the `(0)` that is not dialled from abroad. */
const PHONE_DECORATION = /\(0\)|[\s()[\].~\p{Pd}\u00ad\u2053\u2212\u223c\u30fc/]/gu;
/** ITU-T E.164: a country code and a number of at most 15 digits together. */
export const E164 = /^\+[1-9]\d{6,14}$/;
const DIGITS = /^\d{4,20}$/;
/** The characters of a domain. The URL parser would cut a text with other ones at a `/`, `?` or `#`. */
const DOMAIN = /^[\p{L}\p{N}\p{M}.\u3002-]+$/u;
const QUOTED_WORD = /^"([\w.+-]+)"$/;

/**
 * One spelling for all spellings of a mailbox or a number, so that they share one quota. Every other text, such as a chat id,
 * stays as it is.
 *
 * - A mail address: case does not count, on either side of the `@` (a server may distinguish `Ann` from `ann`, hardly any
 *   does, and a shared quota is the safe side); a domain is its ASCII form (UTS 46) without the last dot. `+tags` and dots count.
 *   A text that is no plain address (`Ann <ann@example.com>`) is left as it is: a backend refuses it.
 * - A number with `+`, `00` or `tel:`: E.164, without spaces, brackets, dots, hyphens and extension.
 * - Other digits, such as a national number: without these decorations. They have no country: see
 *   `nestjs-two-factor/phone`.
 */
export function canonicalToken(token: string): string {
  const text = token.normalize('NFKC');
  const at = text.lastIndexOf('@');
  return at > 0 ? canonicalMailbox(text, at) : canonicalNumber(text);
}

function canonicalMailbox(text: string, at: number): string {
  const local = text.slice(0, at).replace(QUOTED_WORD, '$1');
  const domain = withoutLastDots(text.slice(at + 1));
  const ascii = DOMAIN.test(domain) ? domainToASCII(domain) : '';
  return `${local}@${ascii || domain}`.toLowerCase();
}

/** A loop instead of a regular expression for dots at the end, which takes quadratic time for a text of many dots. */
function withoutLastDots(domain: string): string {
  let end = domain.length;
  while (domain[end - 1] === '.' || domain[end - 1] === '\u3002') end -= 1;
  return domain.slice(0, end);
}

function canonicalNumber(text: string): string {
  // What follows a semicolon are parameters (RFC 3966): `;ext=5`, `;phone-context=example.com`.
  const [number = ''] = text.replace(/^tel:/i, '').split(';', 1);
  const typed = withAsciiDigits(number);
  const digits = withoutExtension(typed)
    .replace(PHONE_DECORATION, '')
    .replace(/^\+?00/, '+');
  return E164.test(digits) || DIGITS.test(digits) ? digits : text;
}

/** Removes the extension in steps, because one regular expression takes quadratic time for a text of many blanks. */
function withoutExtension(text: string): string {
  const number = text.replace(EXTENSION_DIGITS, '');
  if (number === text) return text;
  const signed = number.trimEnd();
  const bare = signed.replace(EXTENSION_SIGN, '');
  return bare === signed ? text : bare.trimEnd();
}
