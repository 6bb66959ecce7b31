import { isoCBOR } from '@simplewebauthn/server/helpers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeCbor, type CborValue } from '../../../lib/testing/cbor.js';

describe('CBOR', () => {
  // RFC 8949, appendix A.
  it.each<[CborValue, string]>([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [100, '1864'],
    [1_000, '1903e8'],
    [1_000_000, '1a000f4240'],
    [-1, '20'],
    [-10, '29'],
    [-100, '3863'],
    [-1_000, '3903e7'],
    [new Uint8Array(), '40'],
    [Uint8Array.of(1, 2, 3, 4), '4401020304'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['\u00fc', '62c3bc'],
    [new Map(), 'a0'],
    [
      new Map([
        [1, 2],
        [3, 4],
      ]),
      'a201020304',
    ],
    [
      new Map<string, CborValue>([
        ['a', 'A'],
        ['b', 'B'],
        ['c', 'C'],
        ['d', 'D'],
        ['e', 'E'],
      ]),
      'a56161614161626142616361436164614461656145',
    ],
  ])('is the example of the RFC when it encodes %j', (value, hex) => {
    expect(encodeCbor(value).toString('hex')).toBe(hex);
  });

  it('is read back by another implementation when values are random', () => {
    const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const bytes = fc.uint8Array({ maxLength: 300, size: 'max' });
    // The other implementation counts characters and not bytes when it encodes a text, and reads texts rightly.
    const leaf = fc.oneof(integer, fc.string(), bytes);
    const pairs = fc.uniqueArray(fc.tuple(fc.oneof(integer, fc.string()), leaf), {
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(pairs, (entries) => {
        const map = new Map<number | string, CborValue>(entries);
        expect(isoCBOR.decodeFirst(new Uint8Array(encodeCbor(map)))).toEqual(map);
      }),
      // The example needs a length of four bytes.
      { numRuns: 50, examples: [[[[1, new Uint8Array(70_000).fill(7)]]]] },
    );
  });
});
