/**
 * Writes bytes with an alphabet of 32 characters, 5 bits a character and without padding (RFC 4648 6 and 7). The last character holds
 * the rest of the bits, filled up with zeros.
 */
export function base32Text(bytes: Uint8Array, alphabet: string): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text;
}
