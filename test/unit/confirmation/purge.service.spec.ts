import { QuotaLedger, NoLimitStore } from '../../../lib/limits/index.js';
import { ConsoleLogger, Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  PurgeService,
  type ConfirmationStore,
  type PurgedBatch,
} from '../../../lib/confirmation/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';
import { resolveOptions, type TwoFactorOptions } from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';
import { NOW } from './rows.js';

const secret = secretOf('the purge');

/** Keeps what is logged. Nest's logger is one for all, and another test may have silenced it. */
class LogRecorder extends ConsoleLogger {
  readonly lines: string[] = [];

  protected override printMessages(messages: unknown[], _context = '', level = 'log'): void {
    for (const message of messages) this.lines.push(`${level} ${String(message)}`);
  }
}

interface Purged {
  readonly before: number;
  readonly limit: number;
  readonly after: string;
}

/** A store of which only the purge is used: it deletes as many as `answer` says, and a full batch is not the last. */
function storeOf(answer: (call: number) => number | Promise<number>): {
  store: ConfirmationStore;
  calls: Purged[];
} {
  const calls: Purged[] = [];
  const purge = async (before: number, limit: number, after: string): Promise<PurgedBatch> => {
    calls.push({ before, limit, after });
    const call = calls.length;
    const affected = await answer(call);
    return { affected, end: affected >= limit ? `end of ${call}` : null };
  };
  return { store: { purge } as unknown as ConfirmationStore, calls };
}

function serviceOf(store: ConfirmationStore, options: TwoFactorOptions = {}): PurgeService {
  const clock = { now: () => NOW };
  const resolved = resolveOptions({ secret, clock, ...options }, {});
  return new PurgeService(store, new QuotaLedger(new NoLimitStore(), resolved), resolved);
}

describe('a purge on demand', () => {
  it('deletes confirmations that ended a day ago, unless another age is given', async () => {
    const { store, calls } = storeOf(() => 3);
    expect(await serviceOf(store).purge()).toBe(3);
    expect(calls).toEqual([{ before: NOW - 86_400_000, limit: 500, after: '' }]);
  });

  it('follows autoPurge.keepSeconds, and the day when autoPurge is off', async () => {
    const { store, calls } = storeOf(() => 0);
    await serviceOf(store, { autoPurge: { keepSeconds: 60 } }).purge({});
    await serviceOf(store, { autoPurge: false }).purge();
    expect(calls.map(({ before }) => before)).toEqual([NOW - 60_000, NOW - 86_400_000]);
  });

  it('goes on in batches until one is not full, and counts them all', async () => {
    const { store, calls } = storeOf((call) => (call < 4 ? 10 : 7));
    expect(await serviceOf(store).purge({ batchSize: 10 })).toBe(37);
    expect(calls).toHaveLength(4);
    expect(calls.every(({ limit }) => limit === 10)).toBe(true);
    expect(calls.map(({ after }) => after)).toEqual(['', 'end of 1', 'end of 2', 'end of 3']);
  });

  it('takes olderThan, but never deletes what is still alive', async () => {
    const { store, calls } = storeOf(() => 0);
    const service = serviceOf(store);
    await service.purge({ olderThan: new Date(NOW - 5) });
    await service.purge({ olderThan: new Date(NOW + 3_600_000) });
    await service.purge({ olderThan: new Date(0) });
    expect(calls.map(({ before }) => before)).toEqual([NOW - 5, NOW, 0]);
  });

  it('stops between two batches when its signal aborts', async () => {
    const abort = new AbortController();
    const { store, calls } = storeOf((call) => {
      if (call === 2) abort.abort();
      return 500;
    });
    expect(await serviceOf(store).purge({ signal: abort.signal })).toBe(1_000);
    expect(calls).toHaveLength(2);
    expect(await serviceOf(store).purge({ signal: abort.signal })).toBe(0);
    expect(calls).toHaveLength(2);
  });

  it('leaves the rest to the process that deleted a whole batch first', async () => {
    const calls: string[] = [];
    const purge = async (_: number, __: number, after: string): Promise<PurgedBatch> => {
      calls.push(after);
      return { affected: calls.length === 1 ? 500 : 0, end: `end of ${calls.length}` };
    };
    expect(await serviceOf({ purge } as unknown as ConfirmationStore).purge()).toBe(500);
    expect(calls).toEqual(['', 'end of 1']);
  });

  describe('rests after each batch', () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    /** A store whose batches take so long by the clock that the purge looks at, and no time in fact. */
    const storeThatTakes = (batchMs: number, full: number): ReturnType<typeof storeOf> => {
      let now = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => now);
      return storeOf((call) => {
        now += batchMs;
        return call <= full ? 500 : 0;
      });
    };

    it.each([
      [undefined, 40],
      [0.5, 10],
      [0.1, 90],
    ])('so that it works in a share of %j of the time', async (share, restMs) => {
      const { store, calls } = storeThatTakes(10, 2);
      const startedAt = process.hrtime.bigint();
      await serviceOf(store).purge({ dutyCycle: share });
      const tookMs = Number(process.hrtime.bigint() - startedAt) / 1e6;
      expect(calls).toHaveLength(3);
      // A timer of Node may fire a millisecond early.
      expect(tookMs).toBeGreaterThan(2 * (restMs - 2));
    });

    it('but not with a share of 1', async () => {
      const { store, calls } = storeThatTakes(3_600_000, 2);
      expect(await serviceOf(store).purge({ dutyCycle: 1 })).toBe(1_000);
      expect(calls).toHaveLength(3);
    });

    it('stops in the middle of a rest when its signal aborts, however long that is', async () => {
      const abort = new AbortController();
      const { store, calls } = storeThatTakes(3_600_000, Infinity);
      const done = serviceOf(store).purge({ signal: abort.signal });
      await vi.waitFor(() => expect(calls).toHaveLength(1));
      abort.abort();
      expect(await done).toBe(500);
      expect(calls).toHaveLength(1);
    });
  });

  it.each([0, -1, 0.009, 1.01, Number.NaN, Infinity, '0.5', null])(
    'refuses a share of %j',
    async (share) => {
      const { store, calls } = storeOf(() => 0);
      await expect(serviceOf(store).purge({ dutyCycle: share as number })).rejects.toThrow(
        new TwoFactorInputError('dutyCycle is a number from 0.01 to 1.'),
      );
      expect(calls).toEqual([]);
    },
  );

  it.each([0, -1, 1.5, 1_001, Number.NaN, Infinity, '500'])(
    'refuses a batchSize of %j',
    async (batchSize) => {
      const { store, calls } = storeOf(() => 0);
      await expect(serviceOf(store).purge({ batchSize: batchSize as number })).rejects.toThrow(
        new TwoFactorInputError('batchSize is a whole number from 1 to 1000.'),
      );
      expect(calls).toEqual([]);
    },
  );

  it.each([new Date(Number.NaN), new Date(-1), new Date('nonsense')])(
    'refuses olderThan: %j',
    async (olderThan) => {
      const { store, calls } = storeOf(() => 0);
      await expect(serviceOf(store).purge({ olderThan })).rejects.toThrow(
        new TwoFactorInputError('olderThan is not a valid date.'),
      );
      expect(calls).toEqual([]);
    },
  );

  it('passes a failure of the database on to its caller', async () => {
    const { store } = storeOf(() => Promise.reject(new Error('down')));
    await expect(serviceOf(store).purge()).rejects.toThrow('down');
  });
});

describe('the purge in the background', () => {
  const timers: NodeJS.Timeout[] = [];
  const unref = vi.fn<() => void>();
  let logger = new LogRecorder();

  beforeEach(() => {
    logger = new LogRecorder();
    Logger.overrideLogger(logger);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const schedule = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, delay: number) => {
      const timer = schedule(work, delay);
      const original = timer.unref.bind(timer);
      timer.unref = () => {
        unref();
        return original();
      };
      timers.push(timer);
      return timer;
    }) as typeof setTimeout);
  });

  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
    Logger.overrideLogger(new ConsoleLogger());
    timers.length = 0;
    unref.mockClear();
  });

  it('does not keep the process alive', () => {
    const { store } = storeOf(() => 0);
    serviceOf(store).onApplicationBootstrap();
    expect(timers).toHaveLength(1);
    expect(unref).toHaveBeenCalledOnce();
    expect(timers[0]?.hasRef()).toBe(false);
  });

  it('runs again and again, a fifth earlier or later', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0);
    const { store, calls } = storeOf(() => 0);
    serviceOf(store, { autoPurge: { everySeconds: 100 } }).onApplicationBootstrap();
    await vi.advanceTimersByTimeAsync(79_999);
    expect(calls).toHaveLength(0);
    random.mockReturnValue(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(119_999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toHaveLength(2);
    expect(calls[0]).toEqual({ before: NOW - 86_400_000, limit: 500, after: '' });
  });

  it('is not scheduled with autoPurge: false', () => {
    const { store } = storeOf(() => 0);
    serviceOf(store, { autoPurge: false }).onApplicationBootstrap();
    expect(timers).toHaveLength(0);
  });

  it('is stopped at shutdown, and not scheduled after it', async () => {
    const { store, calls } = storeOf(() => 0);
    const service = serviceOf(store);
    service.onApplicationBootstrap();
    await service.beforeApplicationShutdown();
    await vi.advanceTimersByTimeAsync(86_400_000);
    service.onApplicationBootstrap();
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(calls).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is awaited at shutdown, which ends it after the batch that runs', async () => {
    const endBatch: ((count: number) => void)[] = [];
    const { store, calls } = storeOf(
      () =>
        new Promise<number>((resolve) => {
          endBatch.push(resolve);
        }),
    );
    const service = serviceOf(store);
    service.onApplicationBootstrap();
    await vi.advanceTimersByTimeAsync(720_000);
    expect(calls).toHaveLength(1);

    const down = vi.fn<() => void>();
    const shutdown = service.beforeApplicationShutdown().then(down);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(down).not.toHaveBeenCalled();
    // The spy first: restored after the timers it would leave the fake setTimeout to every later file of this process.
    vi.restoreAllMocks();
    vi.useRealTimers();
    endBatch[0]?.(500);
    await shutdown;
    expect(down).toHaveBeenCalledOnce();
    expect(calls).toHaveLength(1);
  });

  it('only warns when it fails, and tries again', async () => {
    const { store, calls } = storeOf((call) =>
      call === 1 ? Promise.reject(new Error('the database is down')) : 2,
    );
    serviceOf(store).onApplicationBootstrap();
    await vi.advanceTimersByTimeAsync(720_000);
    expect(logger.lines).toEqual([
      'warn The purge failed and will be repeated: the database is down',
    ]);
    await vi.advanceTimersByTimeAsync(720_000);
    expect(calls).toHaveLength(2);
  });

  it('does not throw when something is thrown that is no error', async () => {
    // oxlint-disable-next-line prefer-promise-reject-errors
    const { store, calls } = storeOf(() => Promise.reject('down'));
    serviceOf(store).onApplicationBootstrap();
    await vi.advanceTimersByTimeAsync(720_000);
    expect(calls).toHaveLength(1);
    expect(logger.lines).toEqual(['warn The purge failed and will be repeated: unknown']);
  });
});
