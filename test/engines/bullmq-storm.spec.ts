// Workers that BullMQ wakes: neither a provider that fails, nor processes that are killed, nor a Redis that loses all that it holds
// may cost a person a message.
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { servers, type EngineName } from '../support/engines.js';
import {
  dumpRedis,
  hasOwnRedis,
  launchRedisCluster,
  OwnRedis,
  type OwnRedisCluster,
} from '../support/own-redis.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';
import { backlogOf } from './queue/backlog.js';
import { bundleWorker } from './queue/bundle-worker.js';
import { storm, type StormResult } from './queue/storm.js';

const MESSAGES = 500;
const AWAY_MS = 2_000;

/** The masters of a cluster differ for Redis alone, so that one database is enough. */
const forCluster = servers.slice(0, 1);

interface Nodes {
  readonly host: string;
  readonly port: number;
}

async function stormThrough(
  nodes: readonly Nodes[],
  engine: EngineName,
  inTheMiddle?: () => Promise<void>,
): Promise<StormResult> {
  const worker = await bundleWorker();
  const test: TestApp = await startApp({
    engine,
    options: { delivery: 'queued', worker: false, limits: false },
  });
  try {
    const result = await storm({
      worker,
      database: test.database.options,
      secret: SECRET,
      messages: MESSAGES,
      workers: 6,
      replaces: true,
      overSeconds: 6,
      // Never the third call of a message, after which it would be given up.
      behaviour: {
        fails: (_, failures) => failures < 2 && Math.random() < 0.3,
        latencyMs: () => 5 + Math.random() * 45,
      },
      backlog: (now, nextLookMs) => backlogOf(test.dataSource, now, nextLookMs),
      environment: { REDIS: JSON.stringify(nodes) },
      timeoutMs: 290_000,
      ...(inTheMiddle === undefined ? {} : { inTheMiddle }),
    });
    process.stdout.write(`The storm on ${engine} and BullMQ: ${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await test.close();
    await rm(dirname(worker), { recursive: true });
  }
}

function expectNothingLost(result: StormResult): void {
  expect(result).toMatchObject({ givenUp: 0, lost: [], unexplained: [] });
  expect(result.arrived + result.expired).toBe(MESSAGES);
  expect(result.kills).toBeGreaterThan(2);
  expect(result.refusedCalls).toBeGreaterThan(75);
}

describe.each(hasOwnRedis ? servers : [])('Workers that BullMQ wakes, on %s', (engine) => {
  let redis: OwnRedis;

  beforeAll(async () => {
    redis = await OwnRedis.launch();
  });
  afterAll(() => redis.close());

  it('deliver 500 messages while calls fail, a worker dies every second, and Redis is killed in the middle', async () => {
    const nodes = [{ host: '127.0.0.1', port: redis.port }];
    let before = '';
    const result = await stormThrough(nodes, engine, async () => {
      before = await dumpRedis(nodes);
      await redis.kill();
      await sleep(AWAY_MS);
      await redis.start();
    });

    expectNothingLost(result);
    // Before the outage and after it the messages went through Redis.
    for (const dump of [before, await dumpRedis(nodes)]) expect(dump).toContain('"completed"');
  }, 300_000);
});

describe.each(hasOwnRedis ? forCluster : [])('Workers on a Redis Cluster, on %s', (engine) => {
  let cluster: OwnRedisCluster;

  beforeAll(async () => {
    cluster = await launchRedisCluster();
  });
  afterAll(() => cluster.close());

  it('deliver 500 messages through three masters while calls fail and a worker dies every second', async () => {
    const result = await stormThrough(cluster.nodes, engine);

    expectNothingLost(result);
    const dump = await dumpRedis(cluster.nodes);
    expect(dump).toContain('{bull}:two-factor-default');
    expect(dump).toContain('"completed"');
  }, 300_000);
});
