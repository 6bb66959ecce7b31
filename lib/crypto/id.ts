import { createHash, createHmac } from 'node:crypto';

import { TwoFactorInputError } from '../errors/index.js';
import { base32Text } from './base32-text.js';
import type { DerivedKeys } from './key-ring.js';
import { drawBytes } from './draw-bytes.js';
import { lengthPrefixed } from './length-prefixed.js';

const ID_ALPHABET = '0123456789abcdefghijklmnopqrstuv';
const TIME_BYTES = 6;
export const ID_RANDOM_BYTES = 16;
const BYTES = TIME_BYTES + ID_RANDOM_BYTES;
/** 176 bits at 5 bits a character, so that the last character has one bit. */
const ID = /^[0-9a-v]{35}[0g]$/;
const ID_LENGTH = 36;

/** Base32hex (RFC 4648 7) in lower case without padding. The texts sort as their bytes do. */
function base32hex(bytes: Uint8Array): string {
  return base32Text(bytes, ID_ALPHABET);
}

function withTime(epochMs: number): Buffer {
  // Buffer would write NaN as zero. It refuses numbers above 48 bits itself.
  if (!Number.isInteger(epochMs)) throw new RangeError(`${epochMs} is not epoch milliseconds.`);
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUIntBE(epochMs, 0, TIME_BYTES);
  return bytes;
}

/**
 * Creates the id of a confirmation: 48 bits of time and 128 random bits in 36 characters. It is unguessable, because the id is
 * enough to use up attempts (ASVS 5.0 11.5.1), and ordered by time, because random primary keys write six times as much log.
 */
export function newId(epochMs: number, random = drawBytes(ID_RANDOM_BYTES)): string {
  const bytes = withTime(epochMs);
  bytes.set(random, TIME_BYTES);
  return base32hex(bytes);
}

/**
 * Derives an id from an idempotency key. The same key gives the same id, so that the primary key of the table refuses a second
 * row. The id is as unguessable as the secret. Its time is zero, because a repeated call does not know the time of the first.
 */
export function idFromRequestKey(
  key: DerivedKeys,
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

/**
 * Derives the id of a row that exists once for these texts. It is no secret, and no key decides it: a rotated secret must not
 * lead to a second row. Its time is zero, so that it sorts before all drawn ids.
 */
export function idFromHash(...parts: readonly string[]): string {
  return idFromHashAt(0, ...parts);
}

/** Derives an id as `idFromHash` does, but with a time, so that the id sorts among those that were drawn at that time. */
export function idFromHashAt(epochMs: number, ...parts: readonly string[]): string {
  const bytes = withTime(epochMs);
  createHash('sha256')
    .update(lengthPrefixed(...parts))
    .digest()
    .copy(bytes, TIME_BYTES, 0, ID_RANDOM_BYTES);
  return base32hex(bytes);
}

/** A lower bound: all ids created before `epochMs` sort below it. */
export function lowestIdAt(epochMs: number): string {
  return base32hex(withTime(epochMs));
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length === ID_LENGTH && ID.test(value);
}

/** @throws TwoFactorInputError for anything but a well-formed id, so that none reaches the database. */
export function parseId(value: unknown): string {
  if (!isId(value))
    throw new TwoFactorInputError('A confirmation id is a string of 36 characters, 0-9 and a-v.');
  return value;
}

/** The beginning of an id for logs: enough to find the confirmation, not enough to use it. */
export function shortId(id: string): string {
  return `${id.slice(0, 14)}...`;
}
