import { createHash } from 'node:crypto';

import { encodeCbor, type CborValue } from '../../lib/testing/cbor.js';

/** As many bytes as a response may bring, with room for its other members. */
const BYTES = 5_600;
/** Names the domain of the tests, and says that the person was verified, with a credential and extensions. */
const FLAGS = 0x01 | 0x04 | 0x40 | 0x80;

const repeated = (...bytes: readonly number[]): Buffer => Buffer.alloc(BYTES, Buffer.from(bytes));

/** Items that are meant to cost a decoder far more than they cost the sender. */
const ITEMS: Readonly<Record<string, Buffer>> = {
  'arrays in arrays': repeated(0x81),
  'long arrays in long arrays': repeated(0x9a, 0xff, 0xff, 0xff, 0xff),
  'maps in maps': repeated(0xa1, 0x01),
  'maps as keys of maps': repeated(0xa1),
  'tags of tags': repeated(0xc1),
  'an array of 2^32 items': Buffer.concat([
    Buffer.from([0x9a, 0xff, 0xff, 0xff, 0xff]),
    repeated(0x00),
  ]),
  'an array of 2^64 items': Buffer.concat([Buffer.from([0x9b]), repeated(0xff)]),
  'a map of 2^32 pairs': Buffer.concat([
    Buffer.from([0xba, 0xff, 0xff, 0xff, 0xff]),
    repeated(0x00),
  ]),
  'bytes of 2^32': Buffer.concat([Buffer.from([0x5a, 0xff, 0xff, 0xff, 0xff]), repeated(0x41)]),
  'bytes of 2^64': Buffer.concat([Buffer.from([0x5b]), repeated(0xff)]),
  'a text of 2^32': Buffer.concat([Buffer.from([0x7a, 0xff, 0xff, 0xff, 0xff]), repeated(0x61)]),
  'empty arrays': Buffer.concat([Buffer.from([0x99, 0x15, 0xe0]), repeated(0x80)]),
  'empty maps': Buffer.concat([Buffer.from([0x99, 0x15, 0xe0]), repeated(0xa0)]),
  'texts of one letter': Buffer.concat([Buffer.from([0x99, 0x0a, 0xf0]), repeated(0x61, 0x61)]),
  'items without an end': repeated(0x9f),
  'texts without an end': repeated(0x7f, 0x61),
  'simple values': repeated(0xf8, 0x20),
  nothing: Buffer.alloc(0),
  zeros: repeated(0x00),
};

/** Each item alone, as the attestation statement, as the key of the credential, and as its extensions. */
export function cborBombs(rpId: string): ReadonlyMap<string, Buffer> {
  const header = Buffer.concat([
    createHash('sha256').update(rpId).digest(),
    Buffer.from([FLAGS]),
    Buffer.alloc(4 + 16),
    Buffer.from([0, 1, 0x69]),
  ]);
  const key = encodeCbor(
    new Map<number, CborValue>([
      [1, 2],
      [3, -7],
    ]),
  );
  const object = (statement: Buffer, data: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from([0xa3]),
      encodeCbor('fmt'),
      encodeCbor('packed'),
      encodeCbor('authData'),
      encodeCbor(data),
      encodeCbor('attStmt'),
      statement,
    ]);
  const none = encodeCbor(new Map());
  const bombs = new Map<string, Buffer>();
  for (const [name, item] of Object.entries(ITEMS)) {
    bombs.set(name, item);
    bombs.set(
      `${name}, as the attestation statement`,
      object(item, Buffer.concat([header, key, none])),
    );
    bombs.set(`${name}, as the key`, object(none, Buffer.concat([header, item])));
    bombs.set(`${name}, as the extensions`, object(none, Buffer.concat([header, key, item])));
  }
  return bombs;
}
