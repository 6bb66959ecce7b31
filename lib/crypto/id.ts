import { createHmac } from 'node:crypto';

import { TwoFactorInputError } from '../errors/index.js';
import type { RingKey } from './key-ring.js';
import { drawBytes } from './draw-bytes.js';
import { lengthPrefixed } from './length-prefixed.js';

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';
const TIME_BYTES = 6;
export const ID_RANDOM_BYTES = 16;
const BYTES = TIME_BYTES + ID_RANDOM_BYTES;
/** 176 bits in characters of 5: the last character carries one bit. */
const ID = /^[0-9a-v]{35}[0g]$/;
const ID_LENGTH = 36;

/** Base32hex (RFC 4648 7), lower-case and unpadded: the order of the texts is the order of the bytes. */
function base32hex(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text;
}

function withTime(epochMs: number): Buffer {
  // Buffer would write NaN as zero, and refuses what 48 bits cannot hold by itself.
  if (!Number.isInteger(epochMs)) throw new RangeError(`${epochMs} is not epoch milliseconds.`);
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUIntBE(epochMs, 0, TIME_BYTES);
  return bytes;
}

/**
 * A confirmation's id: 48 bits of time and 128 random bits in 36 characters. Unguessable, because it is a handle that
 * spends attempts (ASVS 5.0 11.5.1), and ordered by time, because random keys cost an index six times the log.
 */
export function newId(epochMs: number, random = drawBytes(ID_RANDOM_BYTES)): string {
  const bytes = withTime(epochMs);
  bytes.set(random, TIME_BYTES);
  return base32hex(bytes);
}

/**
 * The id that a request key stands for: the same key gives the same id, so the primary key itself refuses the second
 * row. As unguessable as the ring's secret; its time is zero, since a retry does not know when the first call was made.
 */
export function idFromRequestKey(
  key: RingKey,
  requestKey: string,
  purpose: string,
  subject: string,
): string {
  const bytes = withTime(0);
  createHmac('sha256', key.mac)
    .update(lengthPrefixed('request', requestKey, purpose, subject))
    .digest()
    .copy(bytes, TIME_BYTES, 0, ID_RANDOM_BYTES);
  return base32hex(bytes);
}

/** Every id made before `epochMs` sorts below this text. */
export function idBound(epochMs: number): string {
  return base32hex(withTime(epochMs));
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length === ID_LENGTH && ID.test(value);
}

/** @throws TwoFactorInputError for anything but a well-formed id, before it gets near a database. */
export function parseId(value: unknown): string {
  if (!isId(value))
    throw new TwoFactorInputError('A confirmation id is a string of 36 characters, 0-9 and a-v.');
  return value;
}

/** Enough of an id to find it again in a log, too little to be used as one. */
export function shortId(id: string): string {
  return `${id.slice(0, 14)}...`;
}
