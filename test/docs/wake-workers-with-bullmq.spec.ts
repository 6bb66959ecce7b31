import { setTimeout as sleep } from 'node:timers/promises';

import { BullModule, getQueueToken } from '@nestjs/bullmq';
import type { DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Queue } from 'bullmq';
import type { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmerService, TwoFactorService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { dumpRedis, hasOwnRedis, launchRedisCluster, OwnRedis } from '../support/own-redis.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/wake-workers-with-bullmq.md');

describe.runIf(hasOwnRedis)('Wake workers with BullMQ', () => {
  let redis: OwnRedis;
  let guide: Guide;
  let last = '';
  const lastCode = (): string => {
    try {
      return guide.lastCode();
    } catch {
      return '';
    }
  };

  beforeAll(async () => {
    await writePage(page);
    redis = await OwnRedis.launch();
    process.env['REDIS_URL'] = `redis://127.0.0.1:${redis.port}`;
    guide = await startGuide(page);
  });
  afterAll(async () => {
    await guide.close();
    delete process.env['REDIS_URL'];
    await redis.close();
  });

  it.each(['default', 'sms'])('sends by a worker that Redis has woken: %s', async (way) => {
    const { id } = await guide.app.get(TwoFactorService).request({ token: '+12005550123', way });
    let code = last;
    while (code === last) {
      await sleep(20);
      code = lastCode();
    }
    last = code;
    const [, confirmed] = await guide.app.get(ConfirmerService).confirm(id, code);

    expect(confirmed).toBe(true);
  });

  it('keeps a queue of a Redis Cluster in one slot', async () => {
    const cluster = await launchRedisCluster();
    const { bullOnCluster } = await load<{ bullOnCluster: (nodes: object) => DynamicModule }>(
      page,
      'cluster.ts',
    );
    const module = await Test.createTestingModule({
      imports: [bullOnCluster(cluster.nodes), BullModule.registerQueue({ name: 'two-factor-sms' })],
    }).compile();
    const queue: Queue = module.get(getQueueToken('two-factor-sms'), { strict: false });
    await queue.add('deliver', {});

    expect(await queue.getWaitingCount()).toBe(1);
    expect(await dumpRedis(cluster.nodes)).toContain('{bull}:two-factor-sms');
    await module.close();
    (queue.opts.connection as Cluster).disconnect();
    await cluster.close();
  });
});
