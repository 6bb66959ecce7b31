// Settings of drivers and servers, and drivers beside pg and mysql2: each works, or is refused at boot with the remedy.
import { Logger } from '@nestjs/common';
import mysql from 'mysql2';
import * as pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { AfterCommit } from '../../lib/database/after-commit.js';
import { Capabilities } from '../../lib/database/capabilities.js';
import { TwoFactorUnavailableError } from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { askElsewhere, confirmedOnes, leaveTransactionsOpen } from '../support/batch-contract.js';
import { engines, mysqlServers, openDatabase } from '../support/engines.js';
import { SILENT, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';
import { waitForNoLock } from '../support/wait-for-lock.js';

const only = (...names: readonly string[]): typeof engines =>
  engines.filter((engine) => names.includes(engine));

/** With TypeORM's loggers, through its query runner; and past it, on the driver itself. */
const PATHS = [
  ['through TypeORM', {}],
  ['on the driver', SILENT],
] as const;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).toReversed()) await end();
});

async function start(input: TestAppInput): Promise<TestApp> {
  const test = await startApp(input);
  ends.push(() => test.close());
  return test;
}

/** Whole lives of confirmations, many at once. @returns how many were confirmed and used. */
async function lives({ confirmer }: TestApp, count: number): Promise<number> {
  const used = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      // Each for a token of its own: the limits of one are for few.
      const token = `token-${index}@example.com`;
      const state = await confirmer.makeConfirmation({ token, way: 'default' });
      await confirmer.confirm(state.id, 'WRONGCODE');
      await confirmer.confirm(state.id, state.code!);
      return confirmer.use(state);
    }),
  );
  return used.filter(Boolean).length;
}

/** What is warned of prepared statements. */
function warnings(): string[] {
  const lines: string[] = [];
  vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
    if (String(line).includes('prepared')) lines.push(String(line));
  });
  return lines;
}

describe.each(only('postgres'))('On %s', (engine) => {
  it.each(PATHS)(
    'a statement that exceeds query_timeout has its connection closed, %s',
    async (_, dataSource) => {
      const database = await openDatabase(engine);
      ends.push(() => database.drop());
      const direct = await start({ database });
      const test = await start({
        database,
        // The limit of the driver has to end the call before that of the module, and no statement of the boot.
        options: { databaseTimeoutMs: 60_000 },
        dataSource: { ...dataSource, poolSize: 1, extra: { query_timeout: 3_000 } },
      });
      const [locked, free] = [
        await direct.confirmer.makeConfirmation({ isConfirmed: true }),
        await direct.confirmer.makeConfirmation({ isConfirmed: true }),
      ];
      const owner = direct.dataSource.createQueryRunner();
      await owner.startTransaction();
      await owner.query(
        `SELECT id FROM two_factor_confirmation WHERE id = '${locked.id}' FOR UPDATE`,
      );

      const refusal: unknown = await test.confirmer.use(locked).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(TwoFactorUnavailableError);
      expect(refusal).toMatchObject({
        message: expect.stringMatching(/took too long/) as string,
        cause: { message: 'Query read timeout' },
      });
      // Back in the pool, the only connection would let this call wait for the same lock.
      await expect(test.confirmer.use(free)).resolves.toBe(true);

      // What was given up is cancelled on the server. Otherwise it would wait for the lock until it gets it.
      await waitForNoLock(direct);
      await owner.rollbackTransaction();
      await owner.release();
      expect(await direct.confirmer.use(locked)).toBe(true);
    },
  );

  it.each(PATHS)(
    'transactions that were left open are noticed with a `pg` before 8.21, which does not tell of them, %s',
    async (_, dataSource) => {
      // As in an older version: neither the method nor what it reads is there.
      class OlderClient extends pg.Client {}
      Object.defineProperty(OlderClient.prototype, 'getTransactionStatus', { value: undefined });
      class OlderPool extends pg.Pool {
        constructor(config: pg.PoolConfig) {
          super({ ...config, Client: OlderClient });
        }
      }
      const poolSize = 3;
      const test = await start({
        engine,
        options: { methods: METHODS },
        dataSource: { ...dataSource, poolSize, driver: { ...pg, Pool: OlderPool } },
      });
      const { confirmer } = test;
      await test.dataSource.query('CREATE TABLE effect (id int)');
      const proofs = await confirmedOnes(test, 3);
      const afterCommit = new AfterCommit(test.dataSource);
      const called: string[] = [];

      await leaveTransactionsOpen(test.dataSource, poolSize, 'INSERT INTO effect VALUES (1)');
      const [, ...uses] = await Promise.all([
        factorsOf(test).enrol({ subject: 'ann', method: 'totp' }),
        ...proofs.map((proof) => confirmer.use(proof)),
      ]);
      for (const divisor of [0, 1]) {
        await test.dataSource.transaction(async (manager) => {
          afterCommit.run(manager, () => called.push(`by ${divisor}`));
          // After an error the server answers COMMIT by a rollback, and reports no error.
          await manager.query(`SELECT 1 / ${divisor}`).catch(() => undefined);
        });
      }
      const [effects, used] = await askElsewhere(test, (other) =>
        Promise.all([
          other.query('SELECT id FROM effect'),
          other.query('SELECT id FROM two_factor_confirmation WHERE used_at IS NOT NULL'),
        ]),
      );

      expect(uses).toEqual([true, true, true]);
      expect(used).toHaveLength(3);
      expect(effects).toEqual([]);
      expect(called).toEqual(['by 1']);
    },
  );

  it.each(PATHS)(
    'a driver that refuses prepared statements by an error of its own gets no further ones, %s',
    async (_, dataSource) => {
      const warned = warnings();
      let refused = 0;
      class TextOnlyClient extends pg.Client {
        override query(...args: unknown[]): never {
          if (typeof args[0] !== 'string') {
            refused += 1;
            throw new TypeError('query.trim is not a function');
          }
          // oxlint-disable-next-line typescript/unbound-method -- called with its own `this`
          return Reflect.apply(super.query, this, args) as never;
        }
      }
      class TextOnlyPool extends pg.Pool {
        constructor(config: pg.PoolConfig) {
          super({ ...config, Client: TextOnlyClient });
        }
      }
      const driver = { ...pg, Pool: TextOnlyPool };
      const test = await start({
        engine,
        dataSource: { ...dataSource, driver },
      });

      await expect(lives(test, 1)).resolves.toBe(1);
      expect(await lives(test, 8)).toBe(8);
      // The statement, and one that shows that it is not this statement alone.
      expect(refused).toBe(2);
      expect(warned).toEqual([expect.stringMatching(/refuses prepared .*query\.trim is not a/)]);
    },
  );

  it.each(PATHS)(
    'an error of a driver that is no refusal leaves prepared statements on, %s',
    async (_, dataSource) => {
      const warned = warnings();
      const test = await start({ engine, dataSource });
      // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
      const query = pg.Client.prototype.query;
      let failures = 1;
      vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
        this: pg.Client,
        ...args: unknown[]
      ): never {
        if (typeof args[0] !== 'string' && failures > 0) {
          failures -= 1;
          throw new TypeError('it is too hot today');
        }
        return Reflect.apply(query, this, args) as never;
      });

      await expect(test.confirmer.makeConfirmation()).rejects.toThrow(/could not do it now/);
      expect(Capabilities.forDataSource(test.dataSource).preparedStatements).toBe(true);
      expect(warned).toEqual([]);
    },
  );

  it.each(PATHS)(
    'a table that is altered under open connections costs no call, and prepared statements stay on, %s',
    async (_, dataSource) => {
      const warned = warnings();
      const test = await start({ engine, dataSource: { ...dataSource, poolSize: 4 } });
      expect(await lives(test, 16)).toBe(16);

      const altered = [
        'ALTER COLUMN way TYPE varchar(100)',
        'ALTER COLUMN attempts TYPE bigint, ALTER COLUMN sends TYPE bigint',
        'ALTER COLUMN way TYPE text, ADD COLUMN note text',
      ];
      for (const change of altered) {
        // Under load, and again when all connections have met the new table.
        const [used] = await Promise.all([
          lives(test, 16),
          test.dataSource.query(`ALTER TABLE two_factor_confirmation ${change}`),
        ]);
        expect(used).toBe(16);
        expect(await lives(test, 16)).toBe(16);
      }

      expect(Capabilities.forDataSource(test.dataSource).preparedStatements).toBe(true);
      expect(warned).toEqual([]);
    },
  );
});

/** What is used of a connection of `mysql2`. */
interface Executing {
  execute(this: void, ...args: unknown[]): unknown;
}

describe.each(mysqlServers)('On %s', (engine) => {
  const { prototype } = mysql.PoolConnection as unknown as { prototype: Executing };

  it.each([
    ['once', 1, true],
    // Where it never ends, text is the remedy: then the cache of the server's tables is too small.
    ['each time', Infinity, false],
  ])('a statement that must be prepared again (1615) is: %s', async (_, times, staysPrepared) => {
    const warned = warnings();
    const test = await start({ engine, dataSource: { ...SILENT, poolSize: 2 } });
    const { execute } = prototype;
    let refused = 0;
    vi.spyOn(prototype, 'execute').mockImplementation(function (this: unknown, ...args: unknown[]) {
      if (refused >= times) return Reflect.apply(execute, this, args);
      refused += 1;
      (args[2] as (error: Error) => void)(
        Object.assign(new Error('Prepared statement needs to be re-prepared'), { errno: 1615 }),
      );
      return undefined;
    });

    expect(await lives(test, 1)).toBe(1);
    const { preparedStatements } = Capabilities.forDataSource(test.dataSource);
    expect(preparedStatements).toBe(staysPrepared);
    expect(warned).toHaveLength(staysPrepared ? 0 : 1);
    if (!staysPrepared) expect(warned[0]).toMatch(/errno 1615: Prepared statement needs/);
  });

  it.each(PATHS)(
    'a table that is altered under open connections costs no call, and prepared statements stay on, %s',
    async (_, dataSource) => {
      const warned = warnings();
      const test = await start({ engine, dataSource: { ...dataSource, poolSize: 4 } });
      expect(await lives(test, 16)).toBe(16);

      const altered = [
        "MODIFY way varchar(100) NOT NULL DEFAULT ''",
        'MODIFY attempts bigint NOT NULL DEFAULT 0, MODIFY sends bigint NOT NULL DEFAULT 0',
        // Each row is copied into a new table, of which an open snapshot knows nothing.
        'ADD COLUMN note varchar(10) NULL, ALGORITHM = COPY',
      ];
      for (const change of altered) {
        // Under load, and again when all connections have met the new table.
        const [used] = await Promise.all([
          lives(test, 16),
          test.dataSource.query(`ALTER TABLE two_factor_confirmation ${change}`),
        ]);
        expect(used).toBe(16);
        expect(await lives(test, 16)).toBe(16);
      }

      expect(Capabilities.forDataSource(test.dataSource).preparedStatements).toBe(true);
      expect(warned).toEqual([]);
    },
  );

  it('sql_safe_updates refuses no statement: from creation to use, a resend, erase and both purges', async () => {
    const options = { methods: METHODS };
    const test = await start({ engine, options, dataSource: { poolSize: 1 } });
    await test.dataSource.query('SET SESSION sql_safe_updates = 1');
    const { confirmer, twoFactor, clock } = test;

    await expect(confirmer.erase({ subject: 'ann' })).resolves.toBe(0);
    await expect(confirmer.purge()).resolves.toBe(0);
    expect(await lives(test, 2)).toBe(2);
    const { id } = await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
    clock.advance(31);
    await twoFactor.resend(id);
    expect(await confirmer.cancel(id)).toBe(true);
    await confirmer.makeConfirmation({ subject: 'ann', isConfirmed: true });
    expect(await confirmer.erase({ subject: 'ann' })).toBe(2);
    clock.advance(400 * 86_400);
    expect(await confirmer.purge()).toBe(2);
    const limits: unknown[] = await test.dataSource.query('SELECT id FROM two_factor_limit');
    expect(limits).toEqual([]);
    const factors = factorsOf(test);
    await factors.enrol({ subject: 'ann', method: 'totp' });
    await enrolApp(test, 'ann');
    expect(await factors.regenerateRecoveryCodes({ subject: 'ann' })).toHaveLength(10);
    expect(await factors.erase({ subject: 'ann' })).toBe(11);
    await factors.enrol({ subject: 'bob', method: 'totp' });
    clock.advance(86_400);
    await confirmer.purge();
    expect(await factors.reseal()).toEqual({ resealed: 0, left: {}, isComplete: true });
    expect(await factors.erase({ subject: 'bob' })).toBe(0);
    // The server does refuse what has no key.
    await expect(
      test.dataSource.query("DELETE FROM two_factor_confirmation WHERE subject = 'ann'"),
    ).rejects.toMatchObject({ errno: 1175 });
  });
});
