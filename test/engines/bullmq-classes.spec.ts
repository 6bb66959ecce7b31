// Messages to recipients that strangers have named must not hold up those of signed-in users in the queues of BullMQ, nor the other
// way round.
import { setTimeout as sleep } from 'node:timers/promises';

import { BullModule, getQueueToken } from '@nestjs/bullmq';
import { Queue, Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorBullMqModule } from '../../lib/adapters/bullmq/index.js';
import { IS_LONG } from '../rounds.js';
import { openDatabase, servers, type EngineName } from '../support/engines.js';
import { hasOwnRedis, OwnRedis } from '../support/own-redis.js';
import { startApp, type TestApp } from '../support/test-app.js';

const CLOCK = { now: Date.now };
const CONCURRENCY = 2;
const FLOOD = 30;
const RATE = { max: 20, perSeconds: 1 };

type LimitClass = 'bound' | 'open';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A provider that does not answer for the recipients `slow-...` before the test ends. */
class Provider {
  readonly tokens: string[] = [];
  readonly #released = new AbortController();

  /** Applications wait for the messages that they are sending when they are closed. */
  release(): void {
    this.#released.abort();
  }

  readonly send = async ({ token }: { readonly token: string }): Promise<void> => {
    this.tokens.push(token);
    if (!token.startsWith('slow-') || this.#released.signal.aborted) return;
    await new Promise((resolve) => {
      this.#released.signal.addEventListener('abort', resolve);
    });
  };
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 2_400; round += 1) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error('It did not happen within a minute.');
}

/** A client names the recipient of a message of the class `open`, the application that of the class `bound`. */
const inputOf = (limitClass: LimitClass, name: string) => ({
  token: `${name}@example.com`,
  ...(limitClass === 'bound' && { subject: name, purpose: 'login' }),
});

/** The order of jobs is that of Redis, and the slots are those of the process. `.ci/run` therefore takes one server. */
const tested = servers.filter((server) => server === 'postgres' || IS_LONG);

describe.each(hasOwnRedis ? tested : [])('The classes of messages in BullMQ, on %s', (engine) => {
  let redis: OwnRedis;
  const connection = (): { host: string; port: number } => ({
    host: '127.0.0.1',
    port: redis.port,
  });

  beforeAll(async () => {
    redis = await OwnRedis.launch();
  });
  afterAll(() => redis.close());

  /** A machine that takes requests, and one that sends what BullMQ gives to it, once it is started. */
  async function startWeb(
    on: EngineName,
    provider: Provider,
    rate?: typeof RATE,
  ): Promise<{ web: TestApp; startWorker: () => Promise<unknown> }> {
    const database = await openDatabase(on);
    ends.push(() => database.drop());
    const name = `classes-${Math.random().toString(36).slice(2)}`;
    const startOne = async (worker: object | false): Promise<TestApp> => {
      const app = await startApp({
        database,
        options: {
          delivery: 'queued',
          worker,
          clock: CLOCK,
          sendTimeoutMs: 30_000,
          senders: { default: { backend: () => provider.send } },
        },
        imports: [
          BullModule.forRoot({ connection: connection() }),
          TwoFactorBullMqModule.forRoot({ senders: { default: { rate } }, name }),
        ],
      });
      ends.push(() => {
        provider.release();
        return app.app.close();
      });
      return Object.assign(app, {
        queue: app.app.get<Queue>(getQueueToken(`${name}-default`), { strict: false }),
      });
    };
    const web = await startOne(false);
    return { web, startWorker: () => startOne({ concurrency: CONCURRENCY, pollSeconds: 1 }) };
  }

  async function startBoth(...input: Parameters<typeof startWeb>): Promise<TestApp> {
    const { web, startWorker } = await startWeb(...input);
    await startWorker();
    return web;
  }

  const queueOf = (web: TestApp): Queue => (web as TestApp & { queue: Queue }).queue;

  /** The naive twin: a job for each message, in the order in which they came. */
  function startTwin(provider: Provider, limiter?: { max: number; duration: number }): Queue {
    const name = `naive-${Math.random().toString(36).slice(2)}`;
    const queue = new Queue(name, { connection: connection() });
    const worker = new Worker(name, ({ data }) => provider.send(data), {
      connection: connection(),
      concurrency: CONCURRENCY,
      ...(limiter === undefined ? {} : { limiter }),
    });
    ends.push(async () => {
      provider.release();
      await worker.close(true);
      await queue.close();
    });
    return queue;
  }

  it.each([
    ['open', 'bound'],
    ['bound', 'open'],
  ] as const)(
    'send beside any number of slow %s messages those of the other class, which wait in the naive twin',
    async (slow, other) => {
      const provider = new Provider();
      const web = await startBoth(engine, provider);
      for (let count = 0; count < FLOOD; count += 1) {
        await web.twoFactor.request(inputOf(slow, `slow-${count}`));
      }
      await eventually(() => provider.tokens.length === CONCURRENCY);
      const names = ['ann', 'bea', 'cleo'];
      for (const name of names) {
        await web.twoFactor.request(inputOf(other, name));
        await eventually(() => provider.tokens.includes(`${name}@example.com`));
      }
      expect(provider.tokens).toHaveLength(CONCURRENCY + names.length);

      const held = new Provider();
      const twin = startTwin(held);
      for (let count = 0; count < FLOOD; count += 1) {
        await twin.add('send', inputOf(slow, `slow-${count}`));
      }
      await twin.add('send', inputOf(other, 'ann'));
      await eventually(() => held.tokens.length === CONCURRENCY);
      expect(held.tokens.every((token) => token.startsWith('slow-'))).toBe(true);
      expect(await twin.getWaitingCount()).toBe(FLOOD + 1 - CONCURRENCY);
    },
  );

  it('send a bound message before the open ones that use up the rate of a provider', async () => {
    const provider = new Provider();
    const { web, startWorker } = await startWeb(engine, provider, RATE);
    // From as many networks, because the limits allow sixty messages an hour of each. Twelve seconds at this rate.
    const FLOOD_OF_FAST = 240;
    for (let begun = 0; begun < FLOOD_OF_FAST; begun += 40) {
      const some = Array.from({ length: 40 }, (_, index) => begun + index);
      await Promise.all(
        some.map((count) =>
          web.twoFactor.request({
            ...inputOf('open', `user${count}`),
            requester: `198.18.${count}.1`,
          }),
        ),
      );
    }
    const waiting = async (): Promise<number> =>
      (await queueOf(web).getJobCounts('prioritized'))['prioritized'] ?? 0;
    // All of them wait before the first is sent, so that the speed of the requests does not decide.
    await eventually(async () => (await waiting()) === FLOOD_OF_FAST);
    await startWorker();
    await eventually(() => provider.tokens.length >= RATE.max);
    await web.twoFactor.request(inputOf('bound', 'ann'));
    await eventually(() => provider.tokens.includes('ann@example.com'));
    const before = provider.tokens.indexOf('ann@example.com');

    process.stdout.write(
      `A bound message on ${engine} went after ${before} of ${FLOOD_OF_FAST} open ones.\n`,
    );
    // All the others had come before it. The first second of them had used up the rate, and seven more may pass on a busy machine.
    expect(before).toBeLessThan((FLOOD_OF_FAST * 2) / 3);
    expect(await waiting()).toBeGreaterThan(0);

    const fast = new Provider();
    const twin = startTwin(fast, { max: 1, duration: 10 });
    await twin.addBulk(
      Array.from({ length: FLOOD_OF_FAST }, (_, count) => ({
        name: 'send',
        data: inputOf('open', `user${count}`),
      })),
    );
    await twin.add('send', inputOf('bound', 'ann'));
    await eventually(() => fast.tokens.includes('ann@example.com'));
    expect(fast.tokens.indexOf('ann@example.com')).toBeGreaterThanOrEqual(FLOOD_OF_FAST - 1);
  });

  it('send an open message although bound ones use up the rate of a provider without an end', async () => {
    const provider = new Provider();
    const web = await startBoth(engine, provider, RATE);
    let count = 0;
    // Three seconds at this rate, for a machine that is busy.
    const ENOUGH = 60;
    const addBound = async (): Promise<void> => {
      await Promise.all(
        Array.from({ length: 20 }, () => web.twoFactor.request(inputOf('bound', `user${count++}`))),
      );
    };
    await addBound();
    await web.twoFactor.request(inputOf('open', 'ann'));
    let isStarved = false;
    while (!provider.tokens.includes('ann@example.com')) {
      // There is a bound message to be sent at every moment.
      if ((await queueOf(web).getWaitingCount()) < ENOUGH) await addBound();
      await sleep(25);
      isStarved = count > 1_000;
      if (isStarved) break;
    }

    expect(isStarved).toBe(false);
    expect(await queueOf(web).getWaitingCount()).toBeGreaterThan(0);

    // The naive twin has priorities alone.
    const fast = new Provider();
    const twin = startTwin(fast, { max: 1, duration: 10 });
    await twin.addBulk([
      { name: 'send', data: inputOf('open', 'ann'), opts: { priority: 1 } },
      // More than are sent here, so that one of them waits at every moment.
      ...Array.from({ length: 1_000 }, () => ({ name: 'send', data: inputOf('bound', 'bob') })),
    ]);
    await eventually(() => fast.tokens.length >= 200);
    expect(fast.tokens.slice(1)).not.toContain('ann@example.com');
  });
});
