import { domainToASCII } from 'node:url';

/** The octets of a path, without its brackets (RFC 5321 4.5.3.1.3). */
const MAX_OCTETS = 254;
const MAX_LOCAL_OCTETS = 64;
const MAX_LABEL_OCTETS = 63;
/**
 * RFC 5322's dot-atom with the letters of RFC 6531 beyond ASCII: no quotes, comments, routes or lists. Combining marks are part of Hindi,
 * Thai and Tamil words, and of accents in form NFD. None stands first in an atom, where it would change the look of the sign before it.
 */
const LOCAL_PART =
  /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-][\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]*(?:\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-][\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]*)*$/u;
const DOMAIN_LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?$/u;

/**
 * Whether a text is one plain mailbox at a named host, which every mail library reads in the same way. Its letters may be those of any
 * script (RFC 6531). Lengths are counted as the mail system does: the local part in octets of UTF-8, and the domain in its ASCII form
 * (RFC 5890), which is the one that DNS is asked for.
 */
export function isEmailAddress(token: string): boolean {
  // A text of more characters has more octets, and is not read any further.
  if (token.length > MAX_OCTETS) return false;
  const at = token.indexOf('@');
  const local = token.slice(0, at);
  const domain = token.slice(at + 1);
  return (
    at > 0 &&
    LOCAL_PART.test(local) &&
    !hasAsciiLookalike(local) &&
    isNamedHost(domain) &&
    Buffer.byteLength(local) <= MAX_LOCAL_OCTETS &&
    Buffer.byteLength(local) + 1 + domainToASCII(domain).length <= MAX_OCTETS
  );
}

/**
 * Whether a letter stands for one of ASCII by its compatibility form (UAX 15), as the long s, full-width letters and ligatures do. A mail
 * server takes them for letters of their own. The spelling that tokens are compared in has the ASCII letter instead, so that a proof of
 * `\u017fam@bank.example` would be read as one of `sam@bank.example`.
 */
function hasAsciiLookalike(local: string): boolean {
  const others = local.normalize('NFC').match(/\P{ASCII}/gu) ?? [];
  return others.some((letter) => /\p{ASCII}/u.test(letter.normalize('NFKC')));
}

function isNamedHost(domain: string): boolean {
  const labels = domain.split('.');
  if (labels.length < 2 || !labels.every((label) => DOMAIN_LABEL.test(label))) return false;
  // Empty for a domain that has no ASCII form. Digits in circles become an IP address in it.
  const ascii = domainToASCII(domain).split('.');
  const isOneHost = ascii.length === labels.length && !/^\d+$/.test(ascii.at(-1) ?? '');
  return isOneHost && ascii.every((label) => label !== '' && label.length <= MAX_LABEL_OCTETS);
}
