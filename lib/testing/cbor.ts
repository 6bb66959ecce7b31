/** What an authenticator encodes. A map has text or integer keys, written in the order in which they were added. */
export type CborValue = number | string | Uint8Array | ReadonlyMap<number | string, CborValue>;

// The major types of CBOR, which are the highest three bits of the first byte of a value.
const NEGATIVE_TYPE = 1;
const BYTES_TYPE = 2;
const TEXT_TYPE = 3;
const MAP_TYPE = 5;

/** Encodes the part of CBOR (RFC 8949) that WebAuthn needs, in its shortest form. Integers have up to 32 bits. */
export function encodeCbor(value: CborValue): Buffer {
  if (typeof value === 'number')
    return value < 0 ? head(NEGATIVE_TYPE, -1 - value) : head(0, value);
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([head(TEXT_TYPE, text.length), text]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(BYTES_TYPE, value.length), value]);
  const items = [...value].flatMap(([key, item]) => [encodeCbor(key), encodeCbor(item)]);
  return Buffer.concat([head(MAP_TYPE, value.size), ...items]);
}

/** The type in 3 bits, and a number in the other 5 bits or in the 1, 2 or 4 bytes that follow. */
function head(type: number, number: number): Buffer {
  const major = type << 5;
  if (number < 24) return Buffer.from([major | number]);
  if (number < 0x1_00) return Buffer.from([major | 24, number]);
  if (number < 0x1_00_00) return Buffer.from([major | 25, number >>> 8, number & 0xff]);
  const bytes = Buffer.from([major | 26, 0, 0, 0, 0]);
  bytes.writeUInt32BE(number, 1);
  return bytes;
}
