import { describe, expect, it } from 'vitest';

import { retryPauseMs, latestSendTime } from '../../../lib/delivery/queue/retry.js';

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
