import { base32Text } from '../../crypto/index.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 (RFC 4648 6) without padding, as authenticator apps read it. */
export function base32(bytes: Uint8Array): string {
  return base32Text(bytes, ALPHABET);
}

/** The bytes of a base32 text, in upper or lower case, with or without padding; `null` for any other text. */
export function bytesOfBase32(text: string): Buffer | null {
  let end = text.length;
  while (text[end - 1] === '=') end -= 1;
  const symbols = text.slice(0, end).toUpperCase();
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const symbol of symbols) {
    const index = ALPHABET.indexOf(symbol);
    if (index < 0) return null;
    value = (value << 5) | index;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 255);
    }
    value &= (1 << bits) - 1;
  }
  return Buffer.from(bytes);
}
