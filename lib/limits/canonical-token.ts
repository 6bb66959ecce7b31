import { domainToASCII } from 'node:url';

/** `;ext=5`, `ext. 5`, `x5`, `#5` behind a number. */
const EXTENSION = /(?:;ext=|\s*(?:ext\.?|x|#)\s*)\d{1,7}$/i;
/** Blanks, brackets, every hyphen, the soft one too; and the `(0)` that is not dialled from abroad. */
const PHONE_DECORATION = /\(0\)|[\s().\p{Pd}\u00ad/]/gu;
/** ITU-T E.164: a country code and a number of at most 15 digits together. */
const E164 = /^\+[1-9]\d{6,14}$/;
const DIGITS = /^\d{4,20}$/;
/** What a domain may be made of; the URL parser would cut others at a `/`, `?` or `#`. */
const DOMAIN = /^[\p{L}\p{N}\p{M}.\u3002-]+$/u;
const QUOTED_WORD = /^"([\w.+-]+)"$/;

/**
 * One spelling for all spellings of a mailbox or a number, so that they share one budget; every other token is itself.
 *
 * - A mail address: case does not count, on either side of the `@` (a server may tell `Ann` from `ann`, hardly any does,
 *   and here sharing is the safe side); a domain is its ASCII form (UTS 46) without the last dot. `+tags` and dots count.
 *   What is no plain address (`Ann <ann@example.com>`) is left as it is: a backend refuses it.
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
  const domain = text.slice(at + 1).replace(/[.\u3002]+$/, '');
  const ascii = DOMAIN.test(domain) ? domainToASCII(domain) : '';
  return `${local}@${ascii || domain}`.toLowerCase();
}

function canonicalNumber(text: string): string {
  const digits = text
    .replace(/^tel:/i, '')
    .replace(EXTENSION, '')
    .replace(PHONE_DECORATION, '')
    .replace(/^00/, '+');
  return E164.test(digits) || DIGITS.test(digits) ? digits : text;
}
