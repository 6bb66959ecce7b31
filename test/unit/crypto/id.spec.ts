import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  lowestIdAt,
  idFromRequestKey,
  isId,
  KeyRing,
  newId,
  parseId,
  shortId,
} from '../../../lib/crypto/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

const SECRET = 'kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0AeUiOyKt4Q';
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const BASE32HEX = '0123456789abcdefghijklmnopqrstuv';

/** The bytes of an id, read with a decoder of the test's own. */
function decoded(id: string): Buffer {
  const bits = Array.from(id, (character) =>
    BASE32HEX.indexOf(character).toString(2).padStart(5, '0'),
  ).join('');
  const bytes = bits.slice(0, 176).match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}

describe('a confirmation id', () => {
  it('is 36 characters of lower-case base32hex, the last one carrying a single bit', () => {
    for (let count = 0; count < 1_000; count += 1) {
      expect(newId(NOW)).toMatch(/^[0-9a-v]{35}[0g]$/);
    }
  });

  it('begins with the 48-bit time it was made at and goes on with 16 random bytes', () => {
    const bytes = decoded(newId(NOW));
    expect(bytes).toHaveLength(22);
    expect(bytes.readUIntBE(0, 6)).toBe(NOW);
    const distinct = new Set(
      Array.from({ length: 100 }, () => decoded(newId(NOW)).subarray(6).toString('hex')),
    );
    expect(distinct.size).toBe(100);
  });

  it('is random in each of its 128 bits', () => {
    const ones = Array.from({ length: 128 }, () => 0);
    const draws = 2_000;
    for (let count = 0; count < draws; count += 1) {
      const random = decoded(newId(NOW)).subarray(6);
      ones.forEach((_, bit) => {
        if ((((random[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1) ones[bit]! += 1;
      });
    }
    // 6.5 standard deviations: one false alarm in about 10^8 runs.
    const tolerance = 6.5 * Math.sqrt(draws / 4);
    for (const count of ones) expect(Math.abs(count - draws / 2)).toBeLessThan(tolerance);
  });

  it('sorts as text in the order of time, whatever the random part', () => {
    const time = fc.integer({ min: 0, max: 2 ** 48 - 2 });
    fc.assert(
      fc.property(time, time, (one, other) => {
        fc.pre(one !== other);
        const [before, after] = one < other ? [one, other] : [other, one];
        const ids = [newId(after), newId(before)];
        expect(ids.toSorted()[0]).toBe(ids[1]);
        expect(newId(before) < lowestIdAt(after)).toBe(true);
      }),
    );
  });

  it('is at or above the bound of its own millisecond and below that of the next', () => {
    const id = newId(NOW);
    expect(id >= lowestIdAt(NOW)).toBe(true);
    expect(id < lowestIdAt(NOW + 1)).toBe(true);
    expect(lowestIdAt(NOW) < lowestIdAt(NOW + 1)).toBe(true);
  });

  it('never recurs in 100,000 draws of one millisecond', () => {
    const ids = new Set(Array.from({ length: 100_000 }, () => newId(NOW)));
    expect(ids.size).toBe(100_000);
  });

  it('refuses a time that 48 bits cannot hold', () => {
    for (const time of [-1, 2 ** 48, 1.5, Number.NaN, Infinity]) {
      expect(() => newId(time)).toThrow(RangeError);
    }
  });

  it('is shortened to less than half for a log', () => {
    const id = newId(NOW);
    expect(shortId(id)).toBe(`${id.slice(0, 14)}...`);
    expect(isId(shortId(id))).toBe(false);
  });
});

describe('parseId', () => {
  const id = newId(NOW);
  const lastWrong = id.endsWith('g') ? '1' : 'h';

  it('gives a well-formed id back unchanged', () => {
    expect(parseId(id)).toBe(id);
    expect(isId(id)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['an empty string', ''],
    ['one character too few', id.slice(0, -1)],
    ['one character too many', `${id}0`],
    ['upper case', `${id.slice(0, 34)}A0`],
    ['a letter beyond v', `w${id.slice(1)}`],
    ['a last character that carries more than one bit', `${id.slice(0, -1)}${lastWrong}`],
    ['a line break at its end', `${id.slice(0, -1)}\n`],
    ['a line break after it', `${id}\n`],
    ['a blank before it', ` ${id}`],
    ['a NUL', `${id.slice(0, -1)}\u0000`],
    ['full-width digits', `${'０'.repeat(35)}0`],
    ['the number 0', 0],
    ['a number', 12],
    ['true', true],
    ['null', null],
    ['undefined', undefined],
    ['an array of an id', [id]],
    ['an array of 36 characters', Array.from(id)],
    ['an object', { id }],
    ['an object that turns into an id', { toString: () => id, length: 36 }],
    ['a boxed string', Object(id)],
    ['a regular expression operator', { $ne: null }],
    ['a bigint', 10n],
    ['a symbol', Symbol(id)],
    ['a function', () => id],
    ['10 MB', 'a'.repeat(10_000_000)],
  ])('refuses %s', (_, value) => {
    expect(isId(value)).toBe(false);
    expect(() => parseId(value)).toThrow(TwoFactorInputError);
  });

  it('refuses anything at all that is no id', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => parseId(value)).toThrow(TwoFactorInputError);
      }),
    );
  });

  it('does not repeat what it was given', () => {
    expect(() => parseId('ann@example.com')).toThrow(
      new TwoFactorInputError('A confirmation id is a string of 36 characters, 0-9 and a-v.'),
    );
  });
});

describe('the id of a request key', () => {
  const ring = KeyRing.fromSecrets([Buffer.from(SECRET)]);
  const other = KeyRing.fromSecrets([Buffer.from(`${SECRET}!`)]);
  const key = 'order-4711-attempt';

  it('is a well-formed id, and the same whenever the same is asked for', () => {
    const id = idFromRequestKey(ring.current, key, 'login', 'user-1');
    expect(isId(id)).toBe(true);
    expect(idFromRequestKey(ring.current, key, 'login', 'user-1')).toBe(id);
  });

  it('is another for another key, purpose, subject or secret', () => {
    const ids = [
      idFromRequestKey(ring.current, key, 'login', 'user-1'),
      idFromRequestKey(ring.current, `${key}!`, 'login', 'user-1'),
      idFromRequestKey(ring.current, key, 'transfer', 'user-1'),
      idFromRequestKey(ring.current, key, 'login', 'user-2'),
      idFromRequestKey(other.current, key, 'login', 'user-1'),
      // The same characters, cut elsewhere.
      idFromRequestKey(ring.current, `${key}l`, 'ogin', 'user-1'),
      idFromRequestKey(ring.current, key, 'loginu', 'ser-1'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('sorts before every id that was drawn', () => {
    expect(idFromRequestKey(ring.current, key, '', '') < newId(1)).toBe(true);
  });
});
