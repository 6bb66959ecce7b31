// Statements that TypeORM does not log are sent to the driver on a connection of TypeORM's pool.
import mysql from 'mysql2';
import { Client, Connection, types } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { factorsOf, METHODS } from '../support/authenticator.js';
import { engines, mysqlServers, servers, type EngineName } from '../support/engines.js';
import { SILENT, startApp, type TestApp } from '../support/test-app.js';

const INT8 = 20;

let test: TestApp;
afterEach(async () => {
  vi.restoreAllMocks();
  await test.close();
});

async function start(engine: EngineName, extra = {}, options = {}): Promise<void> {
  const dataSource = { ...SILENT, ...extra };
  test = await startApp({
    engine,
    dataSource,
    options: { limits: {}, batching: false, ...options },
  });
}

/** Lives at the same time. @returns whether each was confirmed, and then used. */
async function lives(count: number): Promise<boolean[]> {
  const { confirmer } = test;
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const subject = `user-${index}`;
      const state = await confirmer.makeConfirmation({ subject, meta: { index } });
      await confirmer.confirm(state.id, 'WRONGCODE');
      const [confirmed] = await confirmer.confirm(state.id, state.code!);
      expect(confirmed).toMatchObject({ attemptsLeft: 3, meta: { index }, subject });
      return confirmer.use(state, { subject });
    }),
  );
}

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', (engine) => {
  it('a statement is described once, whatever connection it goes over', async () => {
    await start(engine);
    const { prototype } = Connection as unknown as { prototype: { describe(): void } };
    const describing = vi.spyOn(prototype, 'describe');

    await lives(1);
    // Make, confirm, use.
    expect(describing).toHaveBeenCalledTimes(3);
    expect(await lives(10)).toEqual(Array.from({ length: 10 }, () => true));

    expect(describing).toHaveBeenCalledTimes(3);
  });

  it('parsers of types that the application sets change nothing', async () => {
    const before = types.getTypeParser(INT8);
    types.setTypeParser(INT8, () => 'whatever the application makes of it');
    try {
      await start(engine);
      expect(await lives(2)).toEqual([true, true]);
    } finally {
      types.setTypeParser(INT8, before);
    }
  });

  it('clients in the pipeline mode, which takes no query objects of this package, get named queries of pg', async () => {
    await start(engine, { extra: { pipeline: true } });
    const query = vi.spyOn(Client.prototype, 'query');

    expect(await lives(3)).toEqual([true, true, true]);
    const said = query.mock.calls.map(([first]) => (first as { name?: string }).name);
    expect(said.filter(Boolean)).toHaveLength(12);
  });
});

describe.each(mysqlServers)('On %s', (engine) => {
  it.each(['LONG', 'LONGLONG'])(
    "the application's typeCast, which reads %s as text, changes nothing",
    async (type) => {
      const typeCast = (
        field: { type: string; string(): string | null },
        next: () => unknown,
      ): unknown => (field.type === type ? field.string() : next());
      await start(engine, { extra: { typeCast } });

      expect(await lives(2)).toEqual([true, true]);
    },
  );

  it('no typeCast is passed when the application sets none, because it costs an object for each value', async () => {
    const { prototype } = mysql.PoolConnection as unknown as {
      prototype: { execute(said: object): unknown };
    };
    const executing = vi.spyOn(prototype, 'execute');
    await start(engine);

    expect(await lives(2)).toEqual([true, true]);

    expect(executing.mock.calls.length).toBeGreaterThan(6);
    for (const [said] of executing.mock.calls) expect(said).not.toHaveProperty('typeCast');
  });

  it('a driver without the method execute gets unprepared statements', async () => {
    const { prototype } = mysql.PoolConnection as unknown as { prototype: object };
    Object.defineProperty(prototype, 'execute', { value: undefined, configurable: true });
    try {
      await start(engine);
      expect(await lives(2)).toEqual([true, true]);
    } finally {
      Reflect.deleteProperty(prototype, 'execute');
    }
  });
});

describe.each(servers)('On %s', (engine) => {
  it('a clock that answers no number any more fails its calls, and leaves the connection as it was', async () => {
    let now = (): unknown => Date.now();
    const clock = { now: () => now() as number };
    await start(engine, { poolSize: 1 }, { clock, methods: METHODS });
    const { confirmer, dataSource } = test;
    const state = await confirmer.makeConfirmation();
    now = () => new Date();

    await expect(confirmer.confirm(state, 'WRONGCODE')).rejects.toBeInstanceOf(Error);
    // In a transaction of several statements as well it is no failure of the database.
    let asked = 0;
    now = () => {
      asked += 1;
      return asked === 1 ? Date.now() : new Date();
    };
    await expect(factorsOf(test).enrol({ subject: 'ann', method: 'totp' })).rejects.toThrow(
      /value \w+ is neither a text nor a number/,
    );

    expect(await dataSource.query("SELECT 'there' AS answer")).toMatchObject([{ answer: 'there' }]);
    now = () => Date.now();
    expect((await confirmer.confirm(state, 'WRONGCODE'))[0]).toMatchObject({ attemptsLeft: 4 });
  });

  it('gives up in time when the server does not even roll back, and lets the application close', async () => {
    await start(engine, { poolSize: 1 }, { databaseTimeoutMs: 300 });
    const { dataSource, confirmer } = test;
    // A transaction that the application forgot to end.
    await dataSource.query('BEGIN');
    const { prototype } = (engine === 'postgres' ? Client : mysql.PoolConnection) as unknown as {
      prototype: { query(...args: unknown[]): unknown };
    };
    // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const query = prototype.query;
    vi.spyOn(prototype, 'query').mockImplementation(function (this: object, ...args: unknown[]) {
      const [said] = args as [string | { sql?: string }];
      const text = typeof said === 'string' ? said : said.sql;
      if (text !== 'ROLLBACK') return Reflect.apply(query, this, args);
      return new Promise(() => undefined);
    });

    await expect(confirmer.makeConfirmation()).rejects.toBeInstanceOf(TwoFactorUnavailableError);

    vi.restoreAllMocks();
    await dataSource.destroy();
  });
});
