import mysql from 'mysql2';
import { Client } from 'pg';
import { AbstractLogger, type LogLevel, type LogMessage } from 'typeorm';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { engines, found, mysqlServers, openDatabase } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { startPgbouncer } from '../support/pgbouncer.js';
import { SILENT, startApp, type TestApp } from '../support/test-app.js';

/** What is used of a connection of `mysql2`. */
interface Executing {
  execute(sql: string, values: unknown[], answer: (error: Error) => void): void;
}

/** Whole lives of confirmations, many at once. @returns how many were confirmed and used. */
async function lives(test: TestApp, count: number): Promise<number> {
  const used = await Promise.all(
    Array.from({ length: count }, async () => {
      const state = await test.confirmer.makeConfirmation();
      await test.confirmer.confirm(state.id, 'WRONGCODE');
      await test.confirmer.confirm(state.id, state.code!);
      return test.confirmer.use(state);
    }),
  );
  return used.filter(Boolean).length;
}

const pgbouncer = engines.includes('postgres') ? found.pgbouncer : undefined;

describe.each(pgbouncer ? [pgbouncer] : [])('Behind %s in transaction mode', (program) => {
  it('no call fails', async () => {
    const database = await openDatabase('postgres');
    const direct = await startApp({ engine: 'postgres', database });
    const { options } = database;
    const pooler = await startPgbouncer(program, 'url' in options ? options.url : '');
    const test = await startApp({
      engine: 'postgres',
      database: { ...database, options: { ...options, url: pooler.url } as typeof options },
      // A hundred callers share four servers.
      options: { databaseTimeoutMs: 60_000 },
      dataSource: { migrationsRun: false },
    });

    expect(await lives(test, 100)).toBe(100);

    await test.close();
    await pooler.stop();
    await direct.close();
    await database.drop();
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

it('repeats no statement that was refused and was not prepared', async () => {
  const test = await startApp();
  let said = 0;
  interceptStatements(test.dataSource, async (sql, run) => {
    if (!sql.startsWith('INSERT')) return run();
    said += 1;
    throw Object.assign(new Error('refused by the server'), { code: '0A000' });
  });

  await expect(test.confirmer.makeConfirmation()).rejects.toBeInstanceOf(TwoFactorUnavailableError);
  expect(said).toBe(1);
  await test.close();
});

describe.each(mysqlServers)('On %s', (engine) => {
  const { prototype } = mysql.PoolConnection as unknown as { prototype: Executing };

  // Unknown statement, not for this one, too many of them.
  it.each([1243, 1295, 1461])(
    'a prepared statement that is refused with %i is repeated as text, and no other is tried',
    async (errno) => {
      const test = await startApp({ engine, dataSource: SILENT });
      const execute = vi.spyOn(prototype, 'execute').mockImplementation((_sql, _values, answer) => {
        answer(Object.assign(new Error('refused by the pooler'), { errno }));
      });

      expect(await lives(test, 1)).toBe(1);
      expect(execute).toHaveBeenCalledOnce();
      await test.close();
    },
  );

  it('prepares its statements, and none with preparedStatements: false', async () => {
    // Without limits, so that the number of statements below is that of the confirmations alone.
    const limits = false;
    const prepared = await startApp({ engine, dataSource: SILENT, options: { limits } });
    const options = { preparedStatements: false, limits } as const;
    const text = await startApp({ engine, dataSource: SILENT, options });
    const execute = vi.spyOn(prototype, 'execute');

    await lives(text, 1);
    expect(execute).not.toHaveBeenCalled();
    await lives(prepared, 1);
    // Each of the two confirmations is an UPDATE, and a SELECT of what that does not answer.
    expect(execute).toHaveBeenCalledTimes(6);
    await prepared.close();
    await text.close();
  });
});

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', (engine) => {
  it.each(['42P05', '26000', '0A000'])(
    'a named statement that a pooler refuses with %s is repeated unnamed, and no other is tried',
    async (code) => {
      const test = await startApp({ engine });
      // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
      const query = Client.prototype.query;
      let refused = 0;
      vi.spyOn(Client.prototype, 'query').mockImplementation(function (
        this: Client,
        ...args: unknown[]
      ): never {
        if (typeof args[0] === 'object' && args[0] !== null && 'name' in args[0]) {
          refused += 1;
          throw Object.assign(new Error('refused by the pooler'), { code });
        }
        return Reflect.apply(query, this, args) as never;
      });

      expect(await lives(test, 1)).toBe(1);
      expect(refused).toBe(1);
      await test.close();
    },
  );

  it('sends named statements, and unnamed ones with preparedStatements: false', async () => {
    const named = await startApp({ engine });
    const unnamed = await startApp({ engine, options: { preparedStatements: false } });
    const query = vi.spyOn(Client.prototype, 'query');
    const names = (): unknown[] =>
      query.mock.calls.map(([first]) => (first as { name?: string }).name).filter(Boolean);

    await lives(unnamed, 1);
    expect(names()).toEqual([]);
    await lives(named, 1);
    expect(names()).toHaveLength(4);
    await named.close();
    await unnamed.close();
  });

  it("keeps TypeORM's own loggers readable", async () => {
    const written: string[] = [];
    class WrittenLogger extends AbstractLogger {
      protected writeLog(
        _level: LogLevel,
        message: LogMessage | string | number | (LogMessage | string | number)[],
      ): void {
        written.push(...this.prepareLogMessages(message, { highlightSql: false }).map(textOf));
      }
    }
    const test = await startApp({ engine, dataSource: { logger: new WrittenLogger('all') } });

    await lives(test, 1);

    expect(written.join('\n')).toContain('UPDATE "two_factor_confirmation" SET "attempts"');
    expect(written.join('\n')).not.toContain('[object Object]');
    await test.close();
  });
});

const textOf = ({ message }: LogMessage): string => String(message);
