import { describe, expect, it } from 'vitest';

import {
  latestSendTime,
  nextTryAfterLimit,
  retryPauseMs,
} from '../../../lib/delivery/queue/retry.js';

describe('retryPauseMs', () => {
  it('grows from call to call, between half and one and a half times as much', () => {
    expect([1, 2].map((tries) => retryPauseMs(tries, 0, 0))).toEqual([2_500, 10_000]);
    expect([1, 2].map((tries) => retryPauseMs(tries, 0, 1))).toEqual([7_500, 30_000]);
  });

  it('is never less than what the provider asks for', () => {
    expect(retryPauseMs(1, 60_000, 1)).toBe(60_000);
    expect(retryPauseMs(2, 1_000, 0)).toBe(10_000);
  });
});

describe('latestSendTime', () => {
  it('is a minute before the code expires', () => {
    expect(latestSendTime({ createdAt: 0, expiresAt: 600_000 })).toBe(540_000);
  });

  it('is half of the life of a code that lives for less than two minutes', () => {
    expect(latestSendTime({ createdAt: 0, expiresAt: 30_000 })).toBe(15_000);
  });
});

describe('nextTryAfterLimit', () => {
  const LIFE = { createdAt: 0, expiresAt: 600_000 };
  const SHORT = { createdAt: 0, expiresAt: 60_000 };

  it.each([
    ['at the end of the wait, where that is in time', LIFE, 0, 300, 300_000],
    ['at the last time that is in time', LIFE, 0, 540, 540_000],
    ['a minute before the last time, where the rounded wait may be shorter', LIFE, 0, 600, 480_000],
    ['so also from later on', LIFE, 300_000, 300, 480_000],
    ['never, where the wait is too long even without its rounding', LIFE, 0, 781, null],
    ['never, where the last try was made', LIFE, 480_000, 300, null],
    ['never, where waiting does not help', LIFE, 0, null, null],
    ['never, where the code lives too short for a last try', SHORT, 0, 300, null],
  ])('is %s', (_, row, now, waitSeconds, expected) => {
    expect(nextTryAfterLimit(row, now, waitSeconds)).toBe(expected);
  });
});
