// Workers on other machines must get every message through Redis, and every message must arrive without it.
import { setTimeout as sleep } from 'node:timers/promises';

import { BullModule, getQueueToken } from '@nestjs/bullmq';
import { Queue } from 'bullmq';
import type { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  TwoFactorBullMqModule,
  type TwoFactorBullMqOptions,
} from '../../lib/adapters/bullmq/index.js';
import { functionalSenderBackend } from '../../lib/index.js';
import { openDatabase, servers, type EngineName, type TestDatabase } from '../support/engines.js';
import {
  clusterClient,
  dumpRedis,
  hasOwnRedis,
  launchRedisCluster,
  OwnRedis,
  type OwnRedisCluster,
} from '../support/own-redis.js';
import { startApp, type TestApp } from '../support/test-app.js';

const CLOCK = { now: Date.now };

interface Call {
  readonly token: string;
  readonly code: string;
  /** The index of the application that made it. */
  readonly by: number;
  readonly at: number;
}

/** Applications on one database and one Redis, whose provider remembers each call. */
class Machines {
  readonly calls: Call[] = [];
  readonly apps: TestApp[] = [];
  /** When each application began to start what sends. */
  readonly starts: number[] = [];
  #isClosed = false;

  private constructor(
    private readonly database: TestDatabase,
    private readonly connection: () => object,
    private readonly bull: TwoFactorBullMqOptions,
    private readonly prefix: string | undefined,
  ) {}

  static async open(
    engine: EngineName,
    connection: () => object,
    bull: TwoFactorBullMqOptions = { senders: { default: {} } },
    prefix?: string,
  ): Promise<Machines> {
    return new Machines(await openDatabase(engine), connection, bull, prefix);
  }

  async start(worker: object | false, clock = CLOCK): Promise<TestApp> {
    const by = this.apps.length;
    const { bull, prefix } = this;
    const app = await startApp({
      database: this.database,
      configure: () => {
        this.starts.push(Date.now());
      },
      options: {
        delivery: 'queued',
        worker,
        limits: { sendsInTotal: { bound: [{ max: 1_000_000, perSeconds: 3_600 }] } },
        clock,
        senders: {
          default: {
            backend: functionalSenderBackend(({ token, code }) => {
              this.calls.push({ token, code, by, at: Date.now() });
            }),
          },
        },
      },
      imports: [
        BullModule.forRoot({
          connection: this.connection(),
          ...(prefix === undefined ? {} : { prefix }),
        }),
        TwoFactorBullMqModule.forRoot(bull),
      ],
    });
    this.apps.push(app);
    return app;
  }

  async request(app: TestApp, from: number, to: number): Promise<void> {
    for (let index = from; index < to; index += 1) {
      const subject = `subject-${index}`;
      await app.twoFactor.request({ token: `user${index}@example.com`, subject, purpose: 'login' });
    }
  }

  get arrived(): number {
    return new Set(this.calls.map(({ token }) => token)).size;
  }

  async untilArrived(count: number): Promise<void> {
    for (let round = 0; round < 2_400; round += 1) {
      if (this.arrived >= count) return;
      await sleep(50);
    }
    throw new Error(`${this.arrived} of ${count} messages have arrived after two minutes.`);
  }

  async close(): Promise<void> {
    for (const app of this.apps.splice(0)) await app.close();
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.database.drop();
  }
}

describe.each(hasOwnRedis ? servers : [])('Workers that BullMQ wakes, on %s', (engine) => {
  let redis: OwnRedis;
  let machines: Machines;
  const connection = (): object => ({ host: '127.0.0.1', port: redis.port });
  const nodes = (): { host: string; port: number }[] => [{ host: '127.0.0.1', port: redis.port }];

  beforeAll(async () => {
    redis = await OwnRedis.launch();
  });
  afterEach(() => machines.close());
  afterAll(() => redis.close());

  it('send at once what a machine has written whose clock is ahead of that of the worker', async () => {
    machines = await Machines.open(engine, connection);
    const web = await machines.start(false);
    await machines.start({ pollSeconds: 300 }, { now: () => Date.now() - 2_000 });
    await machines.request(web, 0, 5);
    await machines.untilArrived(5);

    expect(machines.calls.map(({ by }) => by)).toEqual([1, 1, 1, 1, 1]);
  });

  it('send what a machine without a worker has taken, long before a round', async () => {
    machines = await Machines.open(engine, connection);
    const web = await machines.start(false);
    await machines.start({ pollSeconds: 300 });
    await machines.start({ pollSeconds: 300 });
    await machines.request(web, 0, 40);
    await machines.untilArrived(40);

    expect(machines.calls).toHaveLength(40);
    expect(machines.calls.every(({ by }) => by > 0)).toBe(true);
    expect(await web.dataSource.query('SELECT * FROM two_factor_delivery')).toEqual([]);
  });

  it('get the key of a message and nothing else, in each key and value of Redis', async () => {
    machines = await Machines.open(engine, connection);
    const web = await machines.start(false);
    await machines.request(web, 0, 20);
    const queue: Queue = web.app.get(getQueueToken('two-factor-default'), { strict: false });
    while ((await queue.getWaitingCount()) < 20) await sleep(20);
    const before = await dumpRedis(nodes());
    const [job] = await queue.getWaiting(0, 0);
    const rows: { confirmation: string }[] = await web.dataSource.query(
      'SELECT confirmation FROM two_factor_delivery',
    );
    await machines.start({ pollSeconds: 300 });
    await machines.untilArrived(20);
    const after = await dumpRedis(nodes());

    expect(Object.keys(job!.data as object).toSorted()).toEqual(['confirmation', 'number']);
    // The search finds what is there.
    for (const { confirmation } of rows) expect(before).toContain(confirmation);
    for (const { token, code } of machines.calls) {
      for (const dump of [before, after]) {
        for (const secret of [token, code, token.split('@')[0]!, 'subject-', 'example.com']) {
          // Random letters of an id may be those of a name.
          expect(dump.replaceAll(/[0-9a-v]{36}/g, 'id')).not.toContain(secret);
        }
      }
    }
  });

  it('get all of 500 messages although Redis is killed in the middle, with all that it holds', async () => {
    machines = await Machines.open(engine, connection);
    const web = await machines.start(false);
    await machines.start({ pollSeconds: 1 });
    await machines.start({ pollSeconds: 1 });
    await machines.request(web, 0, 170);
    await redis.kill();
    // Each request succeeds, and no round of the workers waits for Redis.
    await machines.request(web, 170, 340);
    await machines.untilArrived(340);
    await redis.start();
    await machines.request(web, 340, 500);
    await machines.untilArrived(500);

    expect(machines.arrived).toBe(500);
    // No process has died, so that none was sent twice.
    expect(machines.calls).toHaveLength(500);
    // The naive twin, whose messages are in Redis alone, loses them.
    const naive = new Queue('naive', { connection: connection() });
    naive.on('error', () => undefined);
    await naive.addBulk(Array.from({ length: 50 }, () => ({ name: 'send', data: {} })));
    await redis.kill();
    await redis.start();
    expect(await naive.getWaitingCount()).toBe(0);
    await naive.close();
  });

  it('send no more than ten messages a second from four machines, and all of them', async () => {
    const COUNT = 60;
    // All calls until a moment, counted from before the first: a slow machine makes fewer. Counted from the first call, which may be late,
    // those of the next second would seem to be early.
    const keepsRate = ({ calls, starts: [, firstWorker] }: Machines): boolean =>
      calls.every(({ at }, index) => index < 10 + (at - firstWorker!) / 100);
    const run = async (bull: TwoFactorBullMqOptions): Promise<boolean> => {
      machines = await Machines.open(engine, connection, bull);
      const web = await machines.start(false);
      // All of them wait before the first is sent, so that the speed of the requests does not decide.
      await machines.request(web, 0, COUNT);
      // Rounds find the waiting messages again and again, and must not send them beside the queue.
      for (let index = 0; index < 4; index += 1) await machines.start({ pollSeconds: 1 });
      await machines.untilArrived(COUNT);
      expect(machines.calls).toHaveLength(COUNT);
      return keepsRate(machines);
    };

    expect(await run({ senders: { default: { rate: { max: 10, perSeconds: 1 } } } })).toBe(true);
    await machines.close();
    // The naive twin has no rate over all machines.
    expect(await run({ senders: { default: {} }, name: 'naive' })).toBe(false);
  });

  it('send what waits at the rate of each machine while Redis is away', async () => {
    machines = await Machines.open(engine, connection, {
      senders: { default: { rate: { max: 20, perSeconds: 1 } } },
    });
    const web = await machines.start(false);
    await machines.start({ pollSeconds: 1 });
    await redis.kill();
    try {
      const begun = Date.now();
      await machines.request(web, 0, 30);
      await machines.untilArrived(30);

      expect(machines.calls.every(({ at }, index) => index <= 1 + (at - begun) / 50)).toBe(true);
      // Closing waits for no Redis.
      await machines.close();
    } finally {
      await redis.start();
    }
  });
});

describe.each(hasOwnRedis ? servers : [])('Workers on a Redis Cluster, on %s', (engine) => {
  let cluster: OwnRedisCluster;
  let machines: Machines | undefined;
  const clients: Cluster[] = [];
  const connection = (): object => {
    const client = clusterClient(cluster.nodes);
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    cluster = await launchRedisCluster();
  });
  afterEach(async () => {
    await machines?.close();
    for (const client of clients.splice(0)) client.disconnect();
  });
  afterAll(() => cluster.close());

  it('get every message of three masters by a hash-tagged prefix', async () => {
    machines = await Machines.open(engine, connection, undefined, '{bull}');
    const web = await machines.start(false);
    await machines.start({ pollSeconds: 300 });
    await machines.start({ pollSeconds: 300 });
    await machines.request(web, 0, 100);
    await machines.untilArrived(100);

    expect(machines.calls).toHaveLength(100);
    const dump = await dumpRedis(cluster.nodes);
    expect(dump).toContain('{bull}:two-factor-default');
    for (const { token, code } of machines.calls) {
      expect(dump).not.toContain(token);
      expect(dump).not.toContain(code);
    }
  });

  it('are refused at boot without a hash-tagged prefix, by a sentence that names one', async () => {
    machines = await Machines.open(engine, connection);

    await expect(machines.start(false)).rejects.toThrow(
      "Set prefix: '{bull}' in BullModule.forRoot.",
    );
  });
});
