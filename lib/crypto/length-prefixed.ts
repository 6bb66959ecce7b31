const LENGTH_BYTES = 4;

/** Encodes a list of texts unambiguously: each text is preceded by its length in 4 bytes. */
export function lengthPrefixed(...parts: readonly string[]): Buffer {
  let size = 0;
  for (const part of parts) size += LENGTH_BYTES + Buffer.byteLength(part);
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const part of parts) {
    const length = bytes.write(part, offset + LENGTH_BYTES);
    bytes.writeUInt32BE(length, offset);
    offset += LENGTH_BYTES + length;
  }
  return bytes;
}
