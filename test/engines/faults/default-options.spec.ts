// The default options, limits and batching on, while the database does not answer in time: every public call ends with
// TwoFactorUnavailableError (over HTTP 503 with Retry-After), and nothing stays charged.
import type { QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { TestDatabase } from '../../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../../support/http.js';
import { ownServers, type OwnServer } from '../../support/own-servers.js';
import { startApp, TestClock, type TestApp } from '../../support/test-app.js';
import { expectNoStrayRejections, quietly } from './behind-proxy.js';
import {
  CALL_OPTIONS,
  chargesOf,
  outcomesOf,
  preparePublicCalls,
  SERVED,
  TransfersController,
  UNAVAILABLE,
  withWord,
  type Charges,
} from './public-calls.js';

/** The default is 5,000: a fault lasts as long here as a call may wait. The servers are tested side by side, as all wait for it. */
const TIMEOUT_MS = 4_000;
/** What a busy machine may need beside it. Two waits that add up take longer. */
const MARGIN_MS = 3_500;
/** Enough for each call to have a connection of its own: what is stuck is that call then, and not the whole pool. */
const POOL = 30;

const TABLES = ['two_factor_confirmation', 'two_factor_limit'] as const;

expectNoStrayRejections();

describe.concurrent.each(ownServers)('With default options on $engine', ({ engine, launch }) => {
  let server: OwnServer;
  let test: HttpTestApp;
  let direct: TestApp;

  beforeAll(async () => {
    server = await launch([]);
    const database: TestDatabase = {
      engine,
      options: { type: engine, url: server.url, poolSize: POOL },
      drop: async () => undefined,
    };
    const clock = new TestClock();
    const options = { ...CALL_OPTIONS, clock };
    direct = await startApp({
      ...quietly,
      database,
      options: { ...options, controller: false, databaseTimeoutMs: 60_000 },
    });
    const http = await startHttpApp({
      ...quietly,
      database,
      controllers: [TransfersController],
      options: { ...options, databaseTimeoutMs: TIMEOUT_MS },
    });
    test = { ...http, clock };
  });
  afterAll(async () => {
    await test.close();
    await direct.close();
    await server.close();
  });

  /** Statements of the application that the server has not ended. */
  const underWay = async (): Promise<number> => {
    const [row] = await server.execute(
      engine === 'postgres'
        ? `SELECT count(*) AS count FROM pg_stat_activity WHERE usename = 'application' AND state = 'active'`
        : `SELECT count(*) AS count FROM information_schema.processlist WHERE user = 'application' AND command <> 'Sleep'`,
    );
    return Number(row!['count']);
  };

  const untilIdle = (): Promise<void> =>
    vi.waitFor(async () => expect(await underWay()).toBe(0), { timeout: 60_000, interval: 100 });

  /** A session of someone else that takes locks and does not come back until it is ended. */
  const locking = (sql: readonly string[], endsWhatWasGivenUp = true) => {
    return async (): Promise<() => Promise<void>> => {
      const runner = direct.dataSource.createQueryRunner();
      for (const each of sql) await runner.query(each);
      return async () => {
        // PostgreSQL is asked to cancel it, MariaDB finds out by itself, and MySQL does neither: KILL takes no secret, and
        // behind a load balancer its number may be that of another session.
        if (endsWhatWasGivenUp) await untilIdle();
        await runner.query('ROLLBACK');
        if (engine !== 'postgres') await runner.query('UNLOCK TABLES');
        await runner.release();
      };
    };
  };
  const lockTable = (table: string): readonly string[] =>
    engine === 'postgres' ? ['BEGIN', `LOCK TABLE ${table}`] : [`LOCK TABLES ${table} WRITE`];

  const faults: readonly Fault[] = [
    {
      name: 'a pool that is used up',
      begin: async () => {
        // One more is in the hands of the transaction in which a proof is used.
        const held: QueryRunner[] = [];
        for (let count = 1; count < POOL; count += 1)
          held.push(test.dataSource.createQueryRunner());
        await Promise.all(held.map((runner) => runner.connect()));
        return async () => {
          await Promise.all(held.map((runner) => runner.release()));
        };
      },
      spares: ['use with manager'],
    },
    {
      name: 'every row locked',
      begin: locking(
        ['BEGIN', ...TABLES.map((table) => `SELECT id FROM ${table} FOR UPDATE`)],
        engine === 'postgres',
      ),
      // They only read.
      spares: ['check', 'POST check', 'LimitService.failures'],
      mayBeDone: engine !== 'postgres',
    },
    {
      name: 'the table of the confirmations locked',
      begin: locking(lockTable('two_factor_confirmation'), engine !== 'mysql'),
      mayBeDone: engine === 'mysql',
      spares: ['LimitService.reset', 'LimitService.failures'],
    },
    {
      name: 'the table of the limits locked',
      begin: locking(lockTable('two_factor_limit'), engine !== 'mysql'),
      mayBeDone: engine === 'mysql',
      spares: SPARED_BY_LIMITS,
    },
    {
      name: 'its server gone',
      begin: async () => {
        await server.stop('SIGKILL');
        return () => server.start();
      },
      spares: [],
    },
  ];

  describe.sequential.each(faults)('and $name', ({ name, begin, spares, mayBeDone = false }) => {
    let outcomes: Record<string, string>;
    let longestMs: number;
    let before: Charges;
    let after: Charges;

    beforeAll(async () => {
      const prepared = await preparePublicCalls({ test, direct });
      before = await chargesOf({ direct });
      const end = await begin();
      const startedAt = performance.now();
      outcomes = await outcomesOf(prepared.calls.filter((call) => !spares.includes(call.name)));
      longestMs = performance.now() - startedAt;
      await prepared.close();
      await end();
      await untilIdle();
      after = await chargesOf({ direct });
    });

    it('answers TwoFactorUnavailableError, over HTTP 503 with Retry-After, from every public call', () => {
      const expected = withWord(outcomes, UNAVAILABLE);
      // MariaDB says of the application's transaction that it lost a race, whatever it waited for.
      if (engine !== 'postgres' && name.endsWith('locked') && 'use with manager' in outcomes) {
        expected['use with manager'] = 'TwoFactorConflictError';
      }
      expect(outcomes).toEqual(expected);
    });

    it('answers within timeoutMs', () => {
      expect(longestMs).toBeLessThan(TIMEOUT_MS + MARGIN_MS);
    });

    it('leaves nothing charged, made or used', () => {
      if (mayBeDone)
        expectAtMostOnce({ before, after, calls: Object.keys(outcomes).length, engine });
      else expect(after).toEqual(before);
    });

    it('serves every public call when it is over', async () => {
      const serve = async (): Promise<Record<string, string>> => {
        const { calls, close } = await preparePublicCalls({ test, direct });
        const served = await outcomesOf(calls);
        await close();
        return served;
      };
      let served = await serve();
      // All calls at once open all connections anew, which a busy machine may not do within the short deadline of this test.
      for (let tries = 0; tries < 5 && Object.values(served).includes(UNAVAILABLE); tries += 1) {
        served = await serve();
      }
      expect(served).toEqual({ ...withWord(served, 'done'), ...SERVED });
    });
  });
});

interface Fault {
  readonly name: string;
  /** Answers what ends it. */
  readonly begin: () => Promise<() => Promise<void>>;
  /** Calls that need nothing of what it takes away. They are not made. */
  readonly spares: readonly string[];
  /**
   * MariaDB does not look whether its client is still there while a statement waits for a row: what had reached it is done
   * when the row is free, and its charge stays. No other call of this package can find out whether that happened.
   */
  readonly mayBeDone?: boolean;
}

interface Comparison {
  readonly before: Charges;
  readonly after: Charges;
  /** How many were made. */
  readonly calls: number;
  readonly engine: OwnServer['engine'];
}

/** What touches the confirmation alone. A confirmation by hand or a cancelled one tries to free its slot, and gives up. */
const SPARED_BY_LIMITS = [
  'check',
  'POST check',
  'erase',
  'state.confirm',
  'cancel',
  'use',
  'use with a key',
  'use with manager',
  'a route whose proof is used in guard',
  'a route whose proof is used in handler',
];

/**
 * Each confirmation has been tried and sent by one call at most. None is there that was not, except on MySQL: it executes
 * what waited for a lock when the lock is released, also for a client that is gone.
 */
function expectAtMostOnce({ before, after, calls, engine }: Comparison): void {
  const made = Object.keys(after.confirmations).filter((id) => !(id in before.confirmations));
  expect(made.length).toBeLessThanOrEqual(engine === 'mysql' ? calls : 0);
  for (const [id, { attempts, sends }] of Object.entries(after.confirmations)) {
    const earlier = before.confirmations[id] ?? { attempts: 0, sends: 0 };
    expect(attempts - earlier.attempts).toBeLessThanOrEqual(1);
    expect(sends - earlier.sends).toBeLessThanOrEqual(1);
  }
  for (const [key, amount] of Object.entries(after.limits)) {
    expect(amount - (before.limits[key] ?? 0)).toBeLessThanOrEqual(calls);
  }
}
