import { describe, expect, it } from 'vitest';

import {
  doublingsOf,
  isExhausted,
  lockMsAfter,
  waitMs,
} from '../../../lib/limits/store/limit-rules.js';
import type { QuotaRequest } from '../../../lib/limits/index.js';

const NOW = 1_000_000;
const failures = {
  kind: 'failures',
  max: 100,
  lockAfter: 10,
  lockMs: 30_000,
  maxLockMs: 3_600_000,
} as const;
const charge = (rule: QuotaRequest['rule']): QuotaRequest => ({ key: 'k', rule, checkOnly: false });
const level = (
  amount: number,
  endsAt: number,
): { key: string; amount: number; endsAt: number } => ({
  key: 'k',
  amount,
  endsAt,
});

describe('Consecutive failures', () => {
  it('lock from the tenth on, twice as long each time, and never longer than an hour', () => {
    const locks = [1, 9, 10, 11, 12, 16, 17, 18, 99].map((n) => lockMsAfter(n, failures) / 1_000);
    expect(locks).toEqual([0, 0, 30, 60, 120, 1_920, 3_600, 3_600, 3_600]);
    expect(doublingsOf(failures)).toBe(7);
    expect(doublingsOf({ ...failures, maxLockMs: 30_000 })).toBe(0);
  });

  it('refuse an attempt while they lock, and for ever from the hundredth on', () => {
    expect(isExhausted(level(12, NOW + 1), charge(failures), NOW)).toBe(true);
    expect(isExhausted(level(12, NOW), charge(failures), NOW)).toBe(false);
    expect(isExhausted(level(99, 0), charge(failures), NOW)).toBe(false);
    expect(isExhausted(level(100, 0), charge(failures), NOW)).toBe(true);
    expect(waitMs(level(12, NOW + 1), charge(failures), NOW)).toBe(1);
    expect(waitMs(level(100, NOW + 1), charge(failures), NOW)).toBeNull();
  });

  it('lock no longer than the longest lock after the clock was set back', () => {
    expect(waitMs(level(12, NOW + 1e9), charge(failures), NOW)).toBe(3_600_000);
  });
});

describe('A window', () => {
  const window = charge({ kind: 'window', max: 5, windowMs: 3_600_000 });

  it('is exhausted when all its units are consumed, until it ends', () => {
    expect(isExhausted(level(5, NOW + 1), window, NOW)).toBe(true);
    expect(isExhausted(level(5, NOW), window, NOW)).toBe(false);
    expect(isExhausted(level(4, NOW + 1), window, NOW)).toBe(false);
    expect(waitMs(level(5, NOW + 7), window, NOW)).toBe(7);
    expect(isExhausted(level(5, NOW + 1e9), window, NOW)).toBe(false);
  });
});
