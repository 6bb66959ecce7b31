import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { Deadlines, type Deadline } from '../../../lib/database/execution/deadline.js';
import { TwoFactorUnavailableError } from '../../../lib/index.js';

const MS = 1_000;
const never = (): Promise<never> => new Promise(() => undefined);

describe('Deadlines', () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  function start(): { deadlines: Deadlines; waiting: (name: string) => void; refused: string[] } {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const deadlines = new Deadlines(MS);
    const refused: string[] = [];
    const waiting = (name: string): void => {
      deadlines.run(never).catch((error: unknown) => {
        expect(error).toBeInstanceOf(TwoFactorUnavailableError);
        refused.push(name);
      });
    };
    return { deadlines, waiting, refused };
  }

  it('refuse each call after its own time, with one timer for all', async () => {
    const { waiting, refused } = start();
    waiting('first');
    await vi.advanceTimersByTimeAsync(300);
    waiting('second');
    waiting('third');
    await vi.advanceTimersByTimeAsync(300);
    waiting('last');
    expect(vi.getTimerCount()).toBe(1);

    await vi.advanceTimersByTimeAsync(399);
    expect(refused).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused).toEqual(['first']);
    await vi.advanceTimersByTimeAsync(299);
    expect(refused).toEqual(['first']);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused).toEqual(['first', 'second', 'third']);
    await vi.advanceTimersByTimeAsync(300);
    expect(refused).toEqual(['first', 'second', 'third', 'last']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('give a later call its full time when the timer was set for an earlier one', async () => {
    const { deadlines, waiting, refused } = start();
    await deadlines.run(() => Promise.resolve());
    await vi.advanceTimersByTimeAsync(900);
    waiting('later');

    await vi.advanceTimersByTimeAsync(999);
    expect(refused).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused).toEqual(['later']);
  });

  it('answer what comes in time, errors too', async () => {
    const deadlines = new Deadlines(MS);

    expect(await deadlines.run(() => Promise.resolve('done'))).toBe('done');
    await expect(deadlines.run(() => Promise.reject(new Error('spoiled')))).rejects.toThrow(
      'spoiled',
    );
  });

  it('mark the deadline of the work as expired', async () => {
    const { deadlines } = start();
    let seen: Deadline | undefined;
    const onPass = vi.fn<() => void>();
    const refused = deadlines.run((deadline) => {
      seen = deadline;
      deadline.onExpire = onPass;
      return never();
    });
    refused.catch(() => undefined);

    await vi.advanceTimersByTimeAsync(MS - 1);
    expect(seen).toMatchObject({ expired: false });
    await vi.advanceTimersByTimeAsync(1);

    expect(seen).toMatchObject({ expired: true });
    expect(onPass).toHaveBeenCalledOnce();
  });

  it('expire a part of a call together with the call, also when it begins later and among others', async () => {
    const { deadlines, waiting, refused } = start();
    const others = new Deadlines(10 * MS);
    const refusedAs = (name: string) => (): number => refused.push(name);
    let beginPart: (() => void) | undefined;
    const begins = new Promise<void>((resolve) => {
      beginPart = resolve;
    });
    const whole = deadlines.run(async (outer) => {
      await begins;
      await others.run(never, outer).catch(refusedAs('part'));
      await deadlines.run(() => Promise.resolve(), outer).catch(refusedAs('too late'));
    });
    whole.catch(refusedAs('whole'));
    await vi.advanceTimersByTimeAsync(100);
    waiting('another call');
    await vi.advanceTimersByTimeAsync(200);
    beginPart!();

    await vi.advanceTimersByTimeAsync(MS - 301);
    expect(refused).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused.toSorted()).toEqual(['part', 'too late', 'whole']);
    await vi.advanceTimersByTimeAsync(99);
    expect(refused).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused.at(-1)).toBe('another call');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('give work that begins after its call has ended the full time of a new call', async () => {
    const { deadlines, refused } = start();
    let ended: Deadline | undefined;
    await deadlines.run(async (deadline) => {
      ended = deadline;
    });
    await vi.advanceTimersByTimeAsync(500);
    deadlines.run(never, ended).catch(() => refused.push('part'));

    await vi.advanceTimersByTimeAsync(MS - 1);
    expect(refused).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused).toEqual(['part']);
  });

  it('keep the process alive as long as a call waits, and no longer', async () => {
    const setting = vi.spyOn(globalThis, 'setTimeout');
    const deadlines = new Deadlines(MS);
    let answer: (() => void) | undefined;

    await deadlines.run(() => Promise.resolve());
    const timer = setting.mock.results[0]!.value as NodeJS.Timeout;
    expect(timer.hasRef()).toBe(false);
    const waiting = deadlines.run(
      () =>
        new Promise<void>((resolve) => {
          answer = resolve;
        }),
    );
    expect(timer.hasRef()).toBe(true);
    answer!();
    await waiting;

    expect(timer.hasRef()).toBe(false);
    expect(setting).toHaveBeenCalledOnce();
    clearTimeout(timer);
  });

  it('keep no async context of a caller in their timer', async () => {
    const callers = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const { setTimeout: set } = globalThis;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, ms: number) => {
      contexts.push(callers.getStore());
      return set(work, ms);
    }) as typeof setTimeout);
    const deadlines = new Deadlines(20);

    await callers.run('first', async () => {
      await deadlines.run(never).catch(() => undefined);
      await deadlines.run(() => Promise.resolve());
    });

    // The real timer may come a moment early, and be made once more.
    expect(contexts.length).toBeGreaterThanOrEqual(2);
    expect(new Set(contexts)).toEqual(new Set([undefined]));
  });

  it('expire also when their timer was lost with fake timers', async () => {
    const deadlines = new Deadlines(30);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await deadlines.run(() => Promise.resolve());
    vi.useRealTimers();
    await sleep(40);

    await expect(deadlines.run(never)).rejects.toThrow(TwoFactorUnavailableError);
  });
});
