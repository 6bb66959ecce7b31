import { Logger, type ModuleMetadata } from '@nestjs/common';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  TwoFactorBullMqModule,
  type TwoFactorBullMqOptions,
} from '../../../lib/adapters/bullmq/index.js';
import { BullMqRelay } from '../../../lib/adapters/bullmq/bullmq-relay.js';
import { limiterOf, Pace } from '../../../lib/adapters/bullmq/rate.js';
import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { startApp } from '../../support/test-app.js';
import { UNKNOWN_ID } from '../../support/unknown-id.js';

const boot = async (options: unknown): Promise<unknown> => {
  const bull = TwoFactorBullMqModule.forRoot(options as TwoFactorBullMqOptions);
  return startApp({ imports: [bull] satisfies ModuleMetadata['imports'] }).catch(
    (error: unknown) => error,
  );
};

describe('TwoFactorBullMqModule', () => {
  afterEach(() => {
    vi.doUnmock('bullmq');
    vi.doUnmock('@nestjs/bullmq');
  });

  it.each([
    [undefined, 'TwoFactorBullMqModule has no senders.'],
    [{ senders: {} }, 'TwoFactorBullMqModule has no senders.'],
    [{ senders: { sms: {} }, rate: 1 }, 'There is no option of TwoFactorBullMqModule: rate.'],
    [{ senders: { sms: null } }, 'The sender sms of TwoFactorBullMqModule is no object.'],
    [{ senders: { sms: { max: 1 } } }, 'There is no option of sender sms of'],
    [{ senders: { sms: { rate: 10 } } }, 'The rate of sender sms of'],
    [{ senders: { sms: { rate: { max: 1, per: 1 } } } }, 'There is no option of the rate of'],
    [{ senders: { sms: { rate: { max: 0 } } } }, 'Give whole numbers: max from 1 to 100000'],
    [{ senders: { sms: { rate: { max: 1, perSeconds: 0.5 } } } }, 'perSeconds from 1 to 3600'],
    [{ senders: { sms: {} }, name: 'two:factor' }, 'Option name of TwoFactorBullMqModule is not'],
  ])('refuses the options %j at boot', async (options, sentence) => {
    const error = await boot(options);

    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toContain(sentence);
  });

  it.each(['bullmq', '@nestjs/bullmq'])(
    'fails the boot with the command to install it when %s is missing',
    async (name) => {
      vi.doMock(name, () => {
        throw new Error(`Cannot find package '${name}'`);
      });
      const error = await boot({ senders: { default: {} } });

      expect(error).toBeInstanceOf(TwoFactorConfigurationError);
      expect((error as Error).message).toBe(
        'TwoFactorBullMqModule needs the packages @nestjs/bullmq and bullmq: install them with "npm install @nestjs/bullmq bullmq ioredis".',
      );
    },
  );
});

describe('The rate of a provider', () => {
  /** When each job may begin, by a limiter as BullMQ's: a window begins with its first job. Each gap is an idle time. */
  const begins = (
    limiter: { max: number; duration: number },
    gaps: readonly number[],
  ): number[] => {
    let now = 0;
    let windowEnds = 0;
    let used = 0;
    return gaps.map((gap) => {
      now += gap;
      if (now < windowEnds && used >= limiter.max) now = windowEnds;
      if (now >= windowEnds) {
        windowEnds = now + limiter.duration;
        used = 0;
      }
      used += 1;
      return now;
    });
  };
  const mostWithin = (times: readonly number[], spanMs: number): number =>
    Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + spanMs).length));
  const rates = fc.record({
    max: fc.integer({ min: 1, max: 300 }),
    perSeconds: fc.integer({ min: 1, max: 60 }),
  });
  const idleTimes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 400 });

  it('is exceeded in no span, wherever it begins', () => {
    fc.assert(
      fc.property(rates, idleTimes, (rate, gaps) => {
        const limiter = limiterOf(rate);
        expect(limiter.max).toBeGreaterThanOrEqual(1);
        expect(mostWithin(begins(limiter, gaps), rate.perSeconds * 1_000)).toBeLessThanOrEqual(
          rate.max,
        );
      }),
    );
  });

  it('would be doubled by windows of the whole span, which is the naive twin', () => {
    // One job begins a window; the others come just before its end, and go on in the next one.
    const gaps = [0, 900, ...Array.from({ length: 20 }, () => 0)];

    expect(mostWithin(begins({ max: 10, duration: 1_000 }, gaps), 1_000)).toBeGreaterThan(10);
  });

  it('lets six tenths of the messages pass at least', () => {
    fc.assert(
      fc.property(rates, (rate) => {
        const { max, duration } = limiterOf(rate);
        const share = max / duration / (rate.max / (rate.perSeconds * 1_000));
        // Whole numbers cost the rest.
        expect(share).toBeGreaterThan(0.6);
      }),
    );
  });

  it('is spaced in one process, and one that stops waiting costs the others no turn', async () => {
    const pace = new Pace(200);
    const stop = new AbortController();
    const begun = performance.now();
    expect(await pace.next(stop.signal)).toBe(true);
    const given = pace.next(stop.signal);
    stop.abort();
    expect(await given).toBe(false);
    const others = await Promise.all([1, 2, 3].map(() => pace.next(new AbortController().signal)));

    expect(others).toEqual([true, true, true]);
    // Timers may be early by a millisecond.
    expect(performance.now() - begun).toBeGreaterThan(590);
  });
});

describe('A relay to a Redis that fails', () => {
  const KEY = { confirmation: 'a-confirmation', number: 1, limitClass: 'bound' } as const;
  const OPEN = { ...KEY, confirmation: 'another', limitClass: 'open' } as const;
  /** A queue that answers as the test says, in place of one that a test cannot stop at the right moment. */
  const relayOn = (
    add: (...jobs: never[]) => Promise<unknown>,
    waiting = 0,
    prioritized = 0,
  ): BullMqRelay => {
    const queue = {
      opts: {},
      on: () => undefined,
      add,
      addBulk: add,
      getJobCounts: () => Promise.resolve({ waiting, prioritized }),
    };
    return new BullMqRelay({
      queues: new Map([['sms', queue]]),
      rates: new Map([['sms', null]]),
    } as never);
  };
  const lines: string[] = [];
  beforeEach(() => {
    for (const level of ['warn', 'log'] as const) {
      vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => {
        lines.push(`${level}: ${String(line)}`);
      });
    }
  });
  afterEach(() => {
    vi.restoreAllMocks();
    lines.length = 0;
  });

  it('logs one line when an outage begins and one when it ends, whatever the number of requests', async () => {
    let isDown = true;
    const relay = relayOn(() =>
      isDown ? Promise.reject(new Error('connect ECONNREFUSED')) : Promise.resolve(),
    );
    for (let request = 0; request < 50; request += 1) relay.enqueue('sms', KEY);
    expect(await relay.enqueueDue('sms', [KEY])).toBe(false);
    isDown = false;
    expect(await relay.enqueueDue('sms', [KEY])).toBe(true);
    relay.enqueue('sms', KEY);

    expect(lines).toEqual([
      'warn: Redis takes no keys of messages, so that the rounds of the worker send them: connect ECONNREFUSED',
      'log: Redis takes keys of messages again.',
    ]);
  });

  it('keeps no more than a thousand keys that Redis does not answer', async () => {
    let added = 0;
    const relay = relayOn(() => {
      added += 1;
      return new Promise(() => undefined);
    });
    for (let request = 0; request < 5_000; request += 1) relay.enqueue('sms', KEY);
    expect(added).toBe(1_000);

    // A round waits for two seconds, and the next one not at all, as long as the first is not answered.
    expect(await relay.enqueueDue('sms', [KEY])).toBe(false);
    expect(await relay.enqueueDue('sms', [KEY])).toBe(false);
    expect(added).toBe(1_001);
  });

  it('adds nothing to a queue that is long already', async () => {
    const add = vi.fn<() => Promise<void>>(() => Promise.resolve());

    expect(await relayOn(add, 512).enqueueDue('sms', [KEY])).toBe(true);
    expect(add).not.toHaveBeenCalled();
    expect(await relayOn(add, 511).enqueueDue('sms', [KEY])).toBe(true);
    expect(add).toHaveBeenCalledTimes(1);
  });

  interface AddedJob {
    readonly data: unknown;
    readonly opts: { readonly jobId: string; readonly priority?: number };
  }

  it('adds bound messages although the queue is full of open ones, and before them', async () => {
    const added: AddedJob[] = [];
    const add = (jobs: AddedJob[]): Promise<void> => {
      added.push(...jobs);
      return Promise.resolve();
    };

    expect(await relayOn(add, 0, 512).enqueueDue('sms', [OPEN, KEY])).toBe(true);
    expect(added.map(({ opts }) => opts.priority)).toEqual([undefined]);
    expect(await relayOn(add, 0, 511).enqueueDue('sms', [OPEN, KEY])).toBe(true);
    expect(added.slice(1).map(({ opts }) => opts.priority)).toEqual([1, undefined]);
    // A job has the key alone, whatever its class.
    for (const { data } of added) expect(Object.keys(data as object)).toHaveLength(2);
  });

  it('gives the oldest open message one turn among the bound ones that wait, and never two', async () => {
    const added: AddedJob[] = [];
    const add = (jobs: AddedJob[]): Promise<void> => {
      added.push(...jobs);
      return Promise.resolve();
    };
    const others = [1, 2, 3].map((number) => ({ ...OPEN, number }));
    for (let round = 0; round < 2; round += 1) {
      expect(await relayOn(add, 300).enqueueDue('sms', others)).toBe(true);
    }

    const turns = added.filter(({ opts }) => opts.priority === undefined);
    expect(turns.map(({ data }) => data)).toEqual([
      { confirmation: OPEN.confirmation, number: 1 },
      { confirmation: OPEN.confirmation, number: 1 },
    ]);
    // BullMQ takes an id that waits already for the same job.
    expect(new Set(turns.map(({ opts }) => opts.jobId)).size).toBe(1);
  });
});

describe('A job that another program has written to Redis', () => {
  const KEY = { confirmation: UNKNOWN_ID, number: 1 };

  it('reaches no statement and writes no line unless it has the form of a key', async () => {
    const warnings = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const delivered: unknown[] = [];
    let process: (job: { readonly data: unknown }) => Promise<void> = () => Promise.resolve();
    class HeldWorker {
      constructor(_: string, work: typeof process) {
        process = work;
      }

      on(): this {
        return this;
      }
    }
    const deliveries = {
      concurrency: 1,
      relayTo: () => undefined,
      deliver: (key: unknown) => Promise.resolve(delivered.push(key)),
    };
    const queue = { name: 'two-factor-sms', opts: {}, on: () => undefined };
    const relay = new BullMqRelay({
      deliveries,
      backends: new Map([['sms', {}]]),
      options: { delivery: 'queued', sendTimeoutMs: 1_000 },
      queues: new Map([['sms', queue]]),
      rates: new Map([['sms', null]]),
      workerClass: HeldWorker,
    } as never);
    relay.onApplicationBootstrap();

    for (const data of [
      null,
      undefined,
      'text',
      [],
      {},
      { ...KEY, confirmation: 1 },
      { ...KEY, confirmation: 'x'.repeat(1_000_000) },
      { ...KEY, confirmation: `${KEY.confirmation.slice(1)}\0` },
      { ...KEY, number: '1' },
      { ...KEY, number: 0 },
      { ...KEY, number: 1.5 },
      { ...KEY, number: 2 ** 31 },
      { ...KEY, number: 1e300 },
    ]) {
      await process({ data });
    }
    await process({ data: { ...KEY, more: 'is dropped' } });

    expect(delivered).toEqual([KEY]);
    expect(warnings).not.toHaveBeenCalled();
    warnings.mockRestore();
  });
});
