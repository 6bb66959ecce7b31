import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Line } from '../../../lib/database/line.js';

interface Call {
  readonly keys: readonly string[];
}

const call = (...keys: string[]): Call => ({ keys });

describe('A line', () => {
  /** What went together, and the answers that are awaited. */
  let sent: string[][];
  let answers: (() => void)[];
  let line: Line<Call>;
  const answer = async (): Promise<void> => {
    answers.shift()!();
    // What comes in the same tick goes together.
    await vi.advanceTimersByTimeAsync(0);
  };

  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
    });
    sent = [];
    answers = [];
    line = new Line(3, (calls) => {
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

  it('keeps what comes meanwhile, and sends it together', async () => {
    line.add(call('a'));
    line.add(call('b'));
    line.add(call('c'));
    expect(sent).toHaveLength(1);

    await answer();

    expect(sent.slice(1)).toEqual([['b', 'c']]);
  });

  it('sends no more at once than it may', async () => {
    for (const key of 'abcdef') line.add(call(key));
    await answer();
    expect(sent.slice(1)).toEqual([['b', 'c', 'd']]);

    await answer();

    expect(sent.slice(2)).toEqual([['e', 'f']]);
  });

  it('never sends two together that have a key in common', async () => {
    line.add(call('a'));
    line.add(call('b', 'x'));
    line.add(call('c', 'x'));
    line.add(call('d'));
    await answer();
    expect(sent.slice(1)).toEqual([['b,x', 'd']]);

    await answer();

    expect(sent.slice(2)).toEqual([['c,x']]);
  });

  it('waits for the end of the tick where several went together before', async () => {
    for (const key of 'abc') line.add(call(key));
    await answer();
    await answer();
    expect(sent).toHaveLength(2);

    line.add(call('d'));
    line.add(call('e'));
    expect(sent).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(0);

    expect(sent.slice(2)).toEqual([['d', 'e']]);
  });

  it('lets nobody wait for longer than 20 ms', async () => {
    line.add(call('a'));
    line.add(call('b'));
    line.add(call('c'));
    await vi.advanceTimersByTimeAsync(19);
    expect(sent).toHaveLength(1);

    await vi.advanceTimersByTimeAsync(1);

    expect(sent.slice(1)).toEqual([['b', 'c']]);
  });

  it('goes on when what was given up is answered after all', async () => {
    line.add(call('a'));
    line.add(call('b'));
    await vi.advanceTimersByTimeAsync(20);
    line.add(call('c'));
    await answer();
    expect(sent).toEqual([['a'], ['b']]);

    await answer();

    expect(sent).toEqual([['a'], ['b'], ['c']]);
  });
});
