// What a cycle (make, a wrong code, the right code, use) costs PostgreSQL, in counts that are the same on every machine, and
// that it costs no more when there are millions of rows. Not part of `npm test`: `npm run test:growth`.
import { randomBytes } from 'node:crypto';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, TWO_FACTOR_LIMIT_STORE, type LimitStore } from '../../../lib/index.js';
import { WRONG_CODE } from '../../support/canaries.js';
import type { TestDatabase } from '../../support/engines.js';
import { NaiveConfirmer } from '../../support/naive-confirmer.js';
import type { OwnServer } from '../../support/own-servers.js';
import { startApp, type TestApp, type TestAppInput } from '../../support/test-app.js';
import { fill, keepPattern, launchQuietServer, POOL, TABLE } from './big-table.js';
import { Floor, type FloorInput } from './floor.js';
import { genericPlans } from './plans.js';
import { PREPARED, MADE, cycle, newcomersCycle } from './cycle.js';

const FEW = 10_000;
const MANY = Number(process.env['TEST_GROWTH_ROWS'] ?? 5_000_000);
const CYCLES = 600;
/**
 * While one half of a crowd is in a transaction that began before the other's last one ended, what that left is not cleared
 * away: now and then a whole statement of up to 64 rows finds its pages full. One among 1,200 cycles would be 1 % and more.
 */
const CROWDED_CYCLES = 20 * CYCLES;
const WARM_UP = 60;
const CALLERS = 32;

let server: OwnServer;
/** As users have it, and with one statement for each call. */
let test: TestApp;
let single: TestApp;
/** With the default limits. */
let limited: TestApp;

const open = (options: TestAppInput['options'] = {}): Promise<TestApp> => {
  const database: TestDatabase = {
    engine: 'postgres',
    // A connection that is closed takes its statements along.
    options: {
      type: 'postgres',
      url: server.url,
      poolSize: POOL,
      extra: { idleTimeoutMillis: 0 },
    },
    drop: async () => undefined,
  };
  const clock = { now: () => Date.now() };
  return startApp({ database, options: { clock, databaseTimeoutMs: 60_000, ...options } });
};

async function times(count: number, work: () => Promise<unknown>, callers = 1): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function rowsOf(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client(server.url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/**
 * A session's counts are in the statistics for certain when it has ended; each begins with a transaction that is not the
 * library's.
 */
async function commits(): Promise<number> {
  await server.terminateSessions();
  const [row] = await server.execute(
    "SELECT xact_commit - sessions AS commits FROM pg_stat_database WHERE datname = 'application'",
  );
  return Number(row!['commits']);
}

/** What each cycle says to the database, and what the database commits for it. */
async function costsOf(
  app: TestApp,
  cycles: number,
  work: () => Promise<unknown>,
  callers = 1,
): Promise<{ statements: number; commits: number }> {
  const before = { statements: app.log.statements.length, commits: await commits() };
  await times(cycles, work, callers);
  return {
    statements: (app.log.statements.length - before.statements) / cycles,
    commits: ((await commits()) - before.commits) / cycles,
  };
}

async function walPosition(): Promise<bigint> {
  const [row] = await server.execute(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text AS bytes",
  );
  return BigInt(String(row!['bytes']));
}

/** Bytes of log a cycle, after the first ones since a checkpoint, which log whole pages. */
async function walOf(work: () => Promise<unknown>, callers = 1): Promise<number> {
  await server.execute('CHECKPOINT');
  await times(WARM_UP, work, callers);
  const before = await walPosition();
  await times(CYCLES, work, callers);
  return Number((await walPosition()) - before) / CYCLES;
}

/** Of the floor, whose sessions are ended with it. */
async function floorWal(input: FloorInput = {}, callers = 1): Promise<number> {
  const floor = await Floor.open(server.url, input);
  try {
    return await walOf(() => floor.cycle(), callers);
  } finally {
    await floor.close();
  }
}

/** The part of the updates of a table that was emptied before `work` that touched no index. */
async function hotShareOf(table: string, work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<{ all: number; hot: number }> => {
    await server.terminateSessions();
    const [row] = await rowsOf(
      `SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = '${table}'`,
    );
    return { all: Number(row!['all']), hot: Number(row!['hot']) };
  };
  const before = await count();
  await rowsOf(`TRUNCATE ${table}`);
  await work();
  const after = await count();
  return (after.hot - before.hot) / (after.all - before.all);
}

/** What there is to say to the database, alone and together. */
async function sayAll(app: TestApp, round: string): Promise<void> {
  const { confirmer, twoFactor } = app;
  const life = async (at: number): Promise<void> => {
    const whom = { purpose: 'transfer', subject: `${round}-${at}` };
    const { state } = await twoFactor.request({ ...whom, token: `${round}-${at}@mail.example` });
    await confirmer.confirm(state.id, WRONG_CODE);
    const [confirmed] = await confirmer.confirm(state.id, state.code!);
    await confirmer.check(state.id, whom);
    expect(await confirmer.use(state.id, whom)).toBe(true);
    expect(await confirmed?.confirm()).toBe(false);
    expect(await confirmer.use(state.id, whom)).toBe(false);
    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(false);
    const other = await confirmer.makeConfirmation(whom);
    await app.sender.send(null, `${round}-${at}@mail.example`, other);
    await confirmer.cancel(other.id);
  };
  await times(1, () => life(0));
  let at = 0;
  await times(
    2 * CALLERS,
    () => {
      at += 1;
      return life(at);
    },
    CALLERS,
  );
  // Says it, and leaves the dead where they are.
  // A purge deletes by the ids that it has found, so that it must find one: this row ended before 1970, and no other did.
  const { id } = await confirmer.makeConfirmation();
  const first = '0'.repeat(id.length);
  await rowsOf(`UPDATE ${TABLE} SET id = '${first}', expires_at = -1 WHERE id = '${id}'`);
  expect(await confirmer.purge({ olderThan: new Date(0), dutyCycle: 1 })).toBe(1);
}

/** What is said of as many budgets as one call may have, and of fewer. */
async function spendOfMany({ app }: TestApp): Promise<void> {
  const store = app.get<LimitStore>(TWO_FACTOR_LIMIT_STORE, { strict: false });
  const owner = '0123456789abcdef';
  for (const count of [1, 2, 3, 4, 8, 16]) {
    const keys = Array.from({ length: count }, () => randomBytes(16).toString('hex')).toSorted();
    const rule = { kind: 'window', max: 5, windowMs: 60_000 } as const;
    const charges = keys.map((key) => ({ key, rule, checkOnly: false }));
    expect((await store.consume(charges, owner)).consumed).toHaveLength(count);
    expect(await store.read(keys)).toHaveLength(count);
    await store.refund(charges);
    await store.release(keys, owner);
    await store.release(keys);
    expect((await store.read(keys)).map(({ amount }) => amount)).toEqual(keys.map(() => 0));
  }
}

/** Statements that do not go by the primary key, and what they read instead. */
async function detoursOf(app: TestApp): Promise<Record<string, readonly string[]>> {
  const plans = await genericPlans(app.dataSource, POOL);
  return Object.fromEntries(
    plans.filter((plan) => plan.detours.length > 0).map((plan) => [plan.text, plan.detours]),
  );
}

function report(what: string, numbers: Readonly<Record<string, number>>): void {
  const texts = Object.entries(numbers).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  process.stdout.write(`${what}: ${texts.join(', ')}\n`);
}

beforeAll(async () => {
  server = await launchQuietServer();
  limited = await open();
  // Costs are also told apart from those of the limits.
  test = await open({ limits: false });
  single = await open({ batching: false, limits: false });
  await keepPattern(server.url, await cycle(test));
});
afterAll(async () => {
  await test?.close();
  await single?.close();
  await limited?.close();
  await server?.close();
});

describe('Before the tables were ever counted', () => {
  it('every statement goes by the primary key, in the plan that it keeps while they grow', async () => {
    await spendOfMany(limited);
    for (const [at, app] of [test, single, limited].entries()) {
      await sayAll(app, `new-${at}`);
      expect(await detoursOf(app)).toEqual({});
    }
  });
});

describe('A cycle', () => {
  const LIVES = 200;

  it('is 4 statements and 4 commits, alone, and in a crowd whose calls go one by one', async () => {
    expect(await costsOf(test, LIVES, () => cycle(test))).toEqual({ statements: 4, commits: 4 });
    expect(await costsOf(single, LIVES, () => cycle(single), CALLERS)).toEqual({
      statements: 4,
      commits: 4,
    });
  });

  it('is no more with the default limits', async () => {
    expect(await costsOf(limited, LIVES, () => newcomersCycle(limited))).toEqual({
      statements: 4,
      commits: 4,
    });
    const joined = await costsOf(limited, 10 * LIVES, () => newcomersCycle(limited), CALLERS);
    report(`${CALLERS} callers with limits, a cycle`, joined);
    expect(joined.statements).toBeLessThan(1);
  });

  it('is fewer in a crowd whose calls go together', async () => {
    const joined = await costsOf(test, 10 * LIVES, () => cycle(test), CALLERS);

    report(`${CALLERS} callers, a cycle`, joined);
    expect(joined.commits).toBeCloseTo(joined.statements, 10);
    expect(joined.statements).toBeLessThan(1);
  });

  it('is more statements when it finds and saves, which is the naive twin', async () => {
    const naive = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));
    const costs = await costsOf(test, 20, async () => {
      const { id } = await test.confirmer.makeConfirmation(MADE);
      await naive.confirm(id, false);
      await naive.confirm(id, true);
      expect(await naive.use(id)).toBe(true);
    });

    report('find and save, a cycle', costs);
    expect(costs.statements).toBeGreaterThan(4);
    expect(costs.commits).toBeGreaterThan(4);
  });
});

describe('HOT updates', () => {
  it('are 99 % and more of all, alone and in a crowd', async () => {
    const joined = (callers: number): Promise<number> =>
      hotShareOf(TABLE, () => times(CROWDED_CYCLES, () => cycle(test), callers));
    const shares = {
      alone: await hotShareOf(TABLE, () => times(CYCLES, () => cycle(test))),
      single: await hotShareOf(TABLE, () => times(CYCLES, () => cycle(single), CALLERS)),
      joined: await joined(CALLERS),
      crowded: await joined(2 * CALLERS),
      beyond: await joined(4 * CALLERS),
    };

    report('HOT', shares);
    for (const share of Object.values(shares)) expect(share).toBeGreaterThanOrEqual(0.99);
  });

  it('are fewer, and the log is longer, when pages are fuller or used_at has an index, which are the naive twins', async () => {
    await rowsOf(`ALTER TABLE ${TABLE} SET (fillfactor = 70)`);
    const fuller = await hotShareOf(TABLE, () => times(2 * CYCLES, () => cycle(test), CALLERS));
    await rowsOf(`ALTER TABLE ${TABLE} SET (fillfactor = 50)`);

    await rowsOf(`CREATE TABLE twin (LIKE ${TABLE} INCLUDING ALL) WITH (fillfactor = 50)`);
    await rowsOf('CREATE INDEX ON twin (used_at)');
    const wal = { plain: await floorWal(), indexed: 0 };
    const indexed = await hotShareOf('twin', async () => {
      wal.indexed = await floorWal({ table: 'twin' });
    });
    await rowsOf('DROP TABLE twin');

    report('HOT of the twins', { fuller, indexed });
    report('bytes of log a cycle of the twins', wal);
    expect(fuller).toBeLessThan(0.99);
    expect(indexed).toBeLessThan(0.99);
    expect(wal.indexed / wal.plain).toBeGreaterThan(1.05);
  });
});

describe('The log of a cycle', () => {
  it(`is as long as that of hand-written SQL, and no longer at ${MANY} rows than at ${FEW}`, async () => {
    const measured: Record<string, number>[] = [];
    for (const rows of [FEW, MANY]) {
      const startedAt = Date.now();
      await fill(server.url, { rows });
      report(`${rows} rows`, { seconds: (Date.now() - startedAt) / 1_000 });
      const wal = {
        ours: await walOf(() => cycle(test)),
        floor: await floorWal(),
        joined: await walOf(() => cycle(test), CALLERS),
        'floor in a crowd': await floorWal({}, CALLERS),
      };
      report(`bytes of log a cycle at ${rows} rows`, wal);
      measured.push(wal);
    }
    const [few, many] = measured as [Record<string, number>, Record<string, number>];

    for (const wal of measured) {
      expect(wal['ours']! / wal['floor']!).toBeLessThanOrEqual(1.05);
      expect(wal['joined']! / wal['floor in a crowd']!).toBeLessThanOrEqual(1.05);
    }
    for (const contender of Object.keys(few)) {
      expect(Math.abs(many[contender]! / few[contender]! - 1)).toBeLessThanOrEqual(0.05);
    }
  });

  it('is longer with every row when the ids are in no order, which is the naive twin', async () => {
    const id = (): string => randomBytes(18).toString('hex');
    const measured: number[] = [];
    await rowsOf(`CREATE TABLE twin (LIKE ${TABLE} INCLUDING ALL) WITH (fillfactor = 50)`);
    for (const rows of [1_000, 100_000]) {
      await fill(server.url, { rows, table: 'twin', isOrdered: false });
      measured.push(await floorWal({ table: 'twin', id }));
    }
    await rowsOf('DROP TABLE twin');

    report('ids in no order', { few: measured[0]!, many: measured[1]! });
    expect(measured[1]! / measured[0]!).toBeGreaterThan(1.05);
  });
});

describe('The generic plan of every statement that the library has prepared', () => {
  const DEAD = 100_000;
  const LIVING = 20_000;

  beforeAll(async () => {
    await fill(server.url, { rows: DEAD });
    await rowsOf(`INSERT INTO two_factor_limit (id, kind, amount, allowed, ends_at, owner)
      SELECT md5(n::text), 'pending', 1, 3, 1, repeat('x', 32) FROM generate_series(1, ${DEAD}) AS n`);
    await rowsOf('ANALYZE');
  });

  it('uses the primary key when all rows are dead, when many live rows are not yet in the statistics, and when they are', async () => {
    const apps = [test, single, limited];
    for (const [at, app] of apps.entries()) await sayAll(app, `dead-${at}`);
    const texts = (await genericPlans(test.dataSource, POOL)).map(({ text }) => text);
    report('statements without limits', { prepared: texts.length });
    for (const kind of PREPARED) expect(texts.filter((text) => kind.test(text))).not.toEqual([]);

    for (const app of apps) expect(await detoursOf(app)).toEqual({});

    await rowsOf(`UPDATE ${TABLE} SET used_at = NULL, expires_at = ${Date.now() + 600_000}
      WHERE id IN (SELECT id FROM ${TABLE} ORDER BY id DESC LIMIT ${LIVING})`);
    for (const app of apps) expect(await detoursOf(app)).toEqual({});

    await rowsOf('ANALYZE');
    for (const app of apps) expect(await detoursOf(app)).toEqual({});
  });

  it('also when it was made for an empty table, which may be large before it is counted', async () => {
    await rowsOf(`TRUNCATE ${TABLE}`);

    await rowsOf('TRUNCATE two_factor_limit');
    for (const app of [test, single, limited]) expect(await detoursOf(app)).toEqual({});
  });

  it('reads all rows when erase finds its rows by their subject, which is the naive twin', async () => {
    await test.confirmer.erase({ subject: 'nobody' });

    const found = await detoursOf(test);
    expect(Object.keys(found)).toEqual([expect.stringMatching(/^DELETE .*"subject" IN/)]);
    expect(Object.values(found)).toEqual([[`Seq Scan on ${TABLE}`]]);
  });
});
