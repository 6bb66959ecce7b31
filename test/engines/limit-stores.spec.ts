import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { describe, expect, it } from 'vitest';

import { rateLimiterFlexibleStore } from '../../lib/adapters/rate-limiter-flexible/index.js';
import { TWO_FACTOR_LIMIT_STORE, type QuotaUsage, type LimitStore } from '../../lib/index.js';
import { engines, found, type EngineName } from '../support/engines.js';
import { describeLimitStore, type LimitStoreUnderTest } from '../support/limit-store-contract.js';
import { chargedAtOnce, failureCharge, windowCharge } from '../support/quotas.js';
import { openRedis } from '../support/redis.js';
import { startApp, TestClock } from '../support/test-app.js';

const TIMEOUT_MS = 60_000;
const INSTANCES = 5;

async function inDatabase(engine: EngineName): Promise<LimitStoreUnderTest> {
  const test = await startApp({ engine, options: { limits: {}, databaseTimeoutMs: TIMEOUT_MS } });
  return {
    store: test.app.get<LimitStore>(TWO_FACTOR_LIMIT_STORE, { strict: false }),
    clock: test.clock,
    advance: async (seconds) => test.clock.advance(seconds),
    close: () => test.close(),
  };
}

async function inMemory(): Promise<LimitStoreUnderTest> {
  const limiter = new RateLimiterMemory({ points: 1, duration: 1 });
  const clock = new TestClock();
  return {
    store: rateLimiterFlexibleStore({ limiter, clock }),
    clock,
    advance: async (seconds) => {
      clock.advance(seconds);
      const { storage, ...dump } = limiter.dump();
      for (const { key } of storage) await limiter.delete(key);
      limiter.restore({
        ...dump,
        storage: storage.map(({ expiresAt, ...entry }) => ({
          ...entry,
          expiresAt: expiresAt && expiresAt - seconds * 1_000,
        })),
      });
    },
    close: async () => undefined,
  };
}

/** As several instances of an application, which take turns. */
async function inRedis(): Promise<LimitStoreUnderTest> {
  const redis = openRedis();
  const { keyPrefix } = redis;
  const clock = new TestClock();
  const clients = Array.from({ length: INSTANCES }, () => redis.client.duplicate());
  const instances = clients.map((storeClient) => {
    const limiter = new RateLimiterRedis({ storeClient, keyPrefix, points: 1, duration: 1 });
    return rateLimiterFlexibleStore({ limiter, clock, timeoutMs: TIMEOUT_MS });
  });
  let turn = 0;
  const next = (): LimitStore => instances[(turn += 1) % INSTANCES]!;
  return {
    store: {
      consume: (...input) => next().consume(...input),
      refund: (...input) => next().refund(...input),
      release: (...input) => next().release(...input),
      read: (...input) => next().read(...input),
      add: async (additions) => next().add?.(additions),
    },
    clock,
    advance: async (seconds) => {
      clock.advance(seconds);
      await redis.advance(seconds);
    },
    close: async () => {
      for (const client of clients) await client.quit();
      await redis.close();
    },
  };
}

const stores: [string, () => Promise<LimitStoreUnderTest>][] = [
  ...engines.map((engine): (typeof stores)[number] => [engine, () => inDatabase(engine)]),
  ['rate-limiter-flexible in memory', inMemory],
  ...(found.redis ? [['redis', inRedis] as (typeof stores)[number]] : []),
];

describe.each(stores)('The limit store on %s', (_, open) => {
  describeLimitStore(open);
});

/** Reads, compares, and then counts: what the contract is there to find. */
function naiveStore(): Pick<LimitStore, 'consume'> {
  const amounts = new Map<string, number>();
  const read = async (key: string): Promise<number> => amounts.get(key) ?? 0;
  return {
    consume: async (charges) => {
      const exhausted: QuotaUsage[] = [];
      for (const { key, rule } of charges) {
        const amount = await read(key);
        if (amount >= rule.max) exhausted.push({ key, amount, endsAt: 0 });
      }
      if (exhausted.length > 0) return { exhausted, consumed: [] };
      const consumed: QuotaUsage[] = [];
      for (const { key } of charges) {
        const amount = (await read(key)) + 1;
        amounts.set(key, amount);
        consumed.push({ key, amount, endsAt: 0 });
      }
      return { exhausted, consumed };
    },
  };
}

describe('A naive limit store', () => {
  it('gives the last unit of a quota to more than one of many concurrent calls', async () => {
    expect(await chargedAtOnce(naiveStore(), [windowCharge(1)])).toBeGreaterThan(1);
    expect(await chargedAtOnce(naiveStore(), [failureCharge()])).toBeGreaterThan(8);
  });
});
