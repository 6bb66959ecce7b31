import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { CoalescingQueue } from '../../../lib/database/batching/coalescing-queue.js';

interface Call {
  readonly keys: readonly string[];
}

const call = (...keys: string[]): Call => ({ keys });

describe('A coalescing queue', () => {
  /** What went together, and the answers that are awaited. */
  let sent: string[][];
  let answers: (() => void)[];
  let line: CoalescingQueue<Call>;
  const answer = async (): Promise<void> => {
    answers.shift()!();
    // Calls of the same tick are one batch.
    await vi.advanceTimersByTimeAsync(0);
  };

  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
    });
    sent = [];
    answers = [];
    line = new CoalescingQueue(3, 2, (calls) => {
      sent.push(calls.map(({ keys }) => keys.join()));
      return new Promise<void>((resolve) => answers.push(resolve));
    });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('lets a lone call go at once', () => {
    line.add(call('a'));

    expect(sent).toEqual([['a']]);
  });

  it('lets a second one go beside it: few gain nothing by waiting for each other', () => {
    for (const key of 'abc') line.add(call(key));

    expect(sent).toEqual([['a'], ['b']]);
  });

  it('keeps calls that come while others are in flight, and sends them together', async () => {
    for (const key of 'abcd') line.add(call(key));
    expect(sent).toHaveLength(2);

    await answer();

    expect(sent.slice(2)).toEqual([['c', 'd']]);
  });

  it('leaves calls for the next batch when a batch takes certain numbers only', async () => {
    const even = new CoalescingQueue<Call>(
      10,
      1,
      (calls) => {
        sent.push(calls.map(({ keys }) => keys.join()));
        return new Promise<void>((resolve) => answers.push(resolve));
      },
      (count) => Math.max(1, count - (count % 2)),
    );
    for (const key of 'abcdef') even.add(call(key));

    await answer();
    await answer();

    expect(sent).toEqual([['a'], ['b', 'c', 'd', 'e'], ['f']]);
  });

  it('sends no more calls in one batch than the largest size', async () => {
    for (const key of 'abcdef') line.add(call(key));
    await answer();
    expect(sent.slice(2)).toEqual([['c', 'd', 'e']]);

    // The second lone one: the others wait for those that went together.
    await answer();
    expect(sent).toHaveLength(3);
    await answer();

    expect(sent.slice(3)).toEqual([['f']]);
  });

  it('never sends two together that have a key in common', async () => {
    for (const key of 'ab') line.add(call(key));
    line.add(call('c', 'x'));
    line.add(call('d', 'x'));
    line.add(call('e'));
    await answer();
    expect(sent.slice(2)).toEqual([['c,x', 'e']]);

    await answer();
    await answer();

    expect(sent.slice(3)).toEqual([['d,x']]);
  });

  it('waits for the end of the tick where several went together before', async () => {
    for (const key of 'abcd') line.add(call(key));
    for (let count = 0; count < 3; count += 1) await answer();
    expect(sent).toHaveLength(3);

    line.add(call('e'));
    line.add(call('f'));
    expect(sent).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(0);

    expect(sent.slice(3)).toEqual([['e', 'f']]);
  });

  it('puts a call of a caller that was just answered into the batch of the waiting calls', async () => {
    for (const key of 'abc') line.add(call(key));
    answers.shift()!();
    await Promise.resolve();
    line.add(call('again'));
    expect(sent).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(0);

    expect(sent.slice(2)).toEqual([['c', 'again']]);
  });

  it('lets no call wait for longer than 2 ms behind single calls', async () => {
    for (const key of 'abcd') line.add(call(key));
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toHaveLength(2);

    await vi.advanceTimersByTimeAsync(1);

    expect(sent.slice(2)).toEqual([['c', 'd']]);
  });

  it('goes on when sends that no longer delay other calls are answered late', async () => {
    for (const key of 'abcd') line.add(call(key));
    await vi.advanceTimersByTimeAsync(2);
    line.add(call('e'));
    line.add(call('f'));
    // Those two no longer delay other calls.
    await answer();
    await answer();
    expect(sent).toEqual([['a'], ['b'], ['c', 'd']]);

    await answer();

    expect(sent.slice(3)).toEqual([['e', 'f']]);
  });

  describe('of all kinds', () => {
    beforeEach(() => {
      line = new CoalescingQueue(3, 1, (calls) => {
        sent.push(calls.map(({ keys }) => keys.join()));
        return new Promise<void>((resolve) => answers.push(resolve));
      });
    });

    it('lets a lone call go at once, and no second one beside it', async () => {
      for (const key of 'abc') line.add(call(key));
      expect(sent).toEqual([['a']]);
      await answer();

      expect(sent.slice(1)).toEqual([['b', 'c']]);
    });

    it('sends two callers together when they call again and again', async () => {
      line.add(call('a'));
      line.add(call('b'));
      answers.shift()!();
      await Promise.resolve();
      line.add(call('a'));
      await vi.advanceTimersByTimeAsync(0);

      expect(sent.slice(1)).toEqual([['b', 'a']]);
    });

    it('lets no call wait for longer than 2 ms behind a single one', async () => {
      for (const key of 'abc') line.add(call(key));
      await vi.advanceTimersByTimeAsync(2);

      expect(sent.slice(1)).toEqual([['b', 'c']]);
    });
  });

  describe('with many calls', () => {
    const many = (count: number, from = 0): string[] =>
      Array.from({ length: count }, (_, index) => `call ${from + index}`);

    beforeEach(async () => {
      line = new CoalescingQueue(128, 2, (calls) => {
        sent.push(calls.map(({ keys }) => keys.join()));
        return new Promise<void>((resolve) => answers.push(resolve));
      });
      for (const key of 'abcd') line.add(call(key));
      for (let count = 0; count < 3; count += 1) await answer();
      sent = [];
    });

    it('sends them as two halves, so that the server executes one while the next is prepared', async () => {
      for (const key of many(64)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);

      expect(sent).toEqual([many(32), many(32, 32)]);
    });

    it('lets no call wait for longer than 20 ms behind them', async () => {
      for (const key of many(24)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);
      line.add(call('next'));
      await vi.advanceTimersByTimeAsync(19);
      expect(sent).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);

      expect(sent.slice(1)).toEqual([['next']]);
    });

    it('sends fewer than 48 calls as one batch', async () => {
      for (const key of many(47)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);

      expect(sent).toEqual([many(47)]);
    });

    it('sends calls with the same key one by one, however many there are', async () => {
      for (const key of many(30)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);
      for (let count = 0; count < 300; count += 1) line.add(call('hot'));
      await vi.advanceTimersByTimeAsync(0);

      // Beside the joined one: as many as go by themselves at any time.
      expect(sent.slice(1)).toEqual([['hot'], ['hot']]);
    });

    it('sends later calls as a second batch when there are enough, and never a third batch', async () => {
      for (const key of many(40)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);
      for (const key of many(23, 40)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);
      expect(sent).toEqual([many(40)]);
      line.add(call('the 24th'));
      await vi.advanceTimersByTimeAsync(0);
      expect(sent.slice(1)).toEqual([[...many(23, 40), 'the 24th']]);

      for (const key of many(100, 100)) line.add(call(key));
      await vi.advanceTimersByTimeAsync(0);
      expect(sent).toHaveLength(2);
      await answer();

      expect(sent.slice(2)).toEqual([many(100, 100)]);
    });
  });
});
