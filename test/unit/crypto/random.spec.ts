import { describe, expect, it } from 'vitest';

import { fillRandom } from '../../../lib/crypto/random.js';

describe('Random bytes', () => {
  it('are new each time, also where one stock ends and the next begins', () => {
    const seen = new Set<string>();
    for (let draw = 0; draw < 2_000; draw += 1) {
      const bytes = Buffer.alloc(16);
      fillRandom(bytes, 0, 16);
      seen.add(bytes.toString('hex'));
    }

    expect(seen.size).toBe(2_000);
  });

  it('go where they belong, and nowhere else', () => {
    const bytes = Buffer.alloc(40);
    fillRandom(bytes, 6, 28);

    expect(bytes.subarray(0, 6)).toEqual(Buffer.alloc(6));
    expect(bytes.subarray(34)).toEqual(Buffer.alloc(6));
    expect(bytes.subarray(6, 34).equals(Buffer.alloc(28))).toBe(false);
  });

  it('have every value in every place', () => {
    const ones = Array.from({ length: 96 }, () => 0);
    for (let draw = 0; draw < 4_000; draw += 1) {
      const bytes = Buffer.alloc(12);
      fillRandom(bytes, 0, 12);
      ones.forEach((_, bit) => {
        ones[bit]! += (bytes[bit >> 3]! >> (bit & 7)) & 1;
      });
    }

    // 2,000 of 4,000, with a standard deviation of 32: seven of them is once in 10^11.
    for (const count of ones) expect(Math.abs(count - 2_000)).toBeLessThan(221);
  });
});
