/** A top-level domain. A text after other characters is no domain, and is masked. */
const TOP_LEVEL = /^\.[\p{L}\p{M}][\p{L}\p{M}\d-]{0,62}$/u;

/**
 * Masks a phone number or address so that its owner recognises it and a stranger does not learn it: `a***@e***.com`, `***67`. At
 * most 3 characters beside the top-level domain.
 */
export function maskToken(token: string): string {
  const at = token.lastIndexOf('@');
  if (at > 0) {
    const domain = token.slice(at + 1);
    const dot = domain.lastIndexOf('.');
    const last = dot > 0 ? domain.slice(dot) : '';
    return `${firstCharacter(token)}***@${firstCharacter(domain)}***${TOP_LEVEL.test(last) ? last : ''}`;
  }
  return /^\+?[\d ().-]{6,}$/.test(token) ? `***${token.slice(-2)}` : `${firstCharacter(token)}***`;
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0x2a);
}
