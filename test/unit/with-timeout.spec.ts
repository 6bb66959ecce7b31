import { describe, expect, it, vi } from 'vitest';

import { untilAborted, withTimeout } from '../../lib/with-timeout.js';

const never = (): Promise<never> => new Promise(() => undefined);

describe('withTimeout', () => {
  it('returns the result of work that ends in time, and leaves its signal alone', async () => {
    let seen: AbortSignal | undefined;
    const result = await withTimeout(1_000, (signal) => {
      seen = signal;
      return Promise.resolve('done');
    });

    expect(result).toBe('done');
    expect(seen?.aborted).toBe(false);
  });

  it('rejects with the error of work that fails, also when it throws at once', async () => {
    const failing = (): never => {
      throw new Error('broken');
    };

    await expect(withTimeout(1_000, failing)).rejects.toThrow('broken');
    await expect(withTimeout(1_000, () => Promise.reject(new Error('broken')))).rejects.toThrow(
      'broken',
    );
  });

  it('rejects with the time-out when the work makes another error of the abort', async () => {
    const rejections: unknown[] = [];
    const work = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          rejections.push(signal.reason);
          reject(new Error('aborted by the signal'));
        });
      });

    await expect(withTimeout(10, work)).rejects.toEqual(new Error('no answer within 10 ms'));
    expect(rejections).toEqual([new Error('no answer within 10 ms')]);
  });

  it('stops its timer when the work ends', async () => {
    vi.useFakeTimers();
    try {
      await withTimeout(1_000, () => 'done');

      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('untilAborted', () => {
  it('does not start the work when the signal is aborted before', async () => {
    const work = vi.fn<() => Promise<never>>(never);

    await expect(untilAborted(AbortSignal.abort(new Error('late')), work)).rejects.toThrow('late');
    expect(work).not.toHaveBeenCalled();
  });

  it('rejects with the reason of the signal, and removes its listener after the work', async () => {
    const abort = new AbortController();
    const remove = vi.spyOn(abort.signal, 'removeEventListener');
    const waiting = untilAborted(abort.signal, never);
    abort.abort(new Error('late'));

    await expect(waiting).rejects.toThrow('late');
    expect(remove).toHaveBeenCalledOnce();
  });
});
