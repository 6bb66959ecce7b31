// A million dead rows are purged while people confirm. Not part of `npm test`: `npm run test:purge`.
import mysql from 'mysql2/promise';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';

import { newId } from '../../../lib/crypto/index.js';
import { ConfirmationRecord } from '../../../lib/index.js';
import { openDatabase, servers, type TestDatabase } from '../../support/engines.js';
import { startApp, TestClock, type TestApp } from '../../support/test-app.js';
import { expectNoStrayRejections, inGroups, outcomeOf, tally } from './behind-proxy.js';

const DEAD = Number(process.env['TEST_PURGE_ROWS'] ?? 1_000_000);
const BATCH = 10_000;
/** Less gentle than the default, which would take minutes. */
const PACE = { batchSize: 1_000, dutyCycle: 0.5 } as const;
const LIVING = 200;
const DAY_SECONDS = 86_400;
const DAY_MS = DAY_SECONDS * 1_000;

const COLUMNS =
  'id, max_attempts, attempts, sends, created_at, expires_at, confirmed_at, use_before, code_mac, envelope';
/** As long as real ones. */
const MAC = `v1.AAAAAAAA.${'x'.repeat(43)}`;
const ENVELOPE = `v1.AAAAAAAA.${'x'.repeat(16)}.${'x'.repeat(180)}.${'x'.repeat(22)}`;

/** Writes rows that were made from `from` on, every second of them confirmed, and that are long dead. */
async function writeDead({ engine, options }: TestDatabase, from: number): Promise<void> {
  const { url } = options as { url: string };
  const values = `5, 5, 1, ?, ? + 600000, ? + 5000, ? + 305000, '${MAC}', '${ENVELOPE}'`;
  const insert = (rows: string): string =>
    `INSERT INTO two_factor_confirmation (${COLUMNS}) SELECT id, ${values} FROM ${rows}`;
  const batches = Array.from({ length: DEAD / BATCH }, (_, at) => {
    const createdAt = from + at * 1_000;
    return { createdAt, ids: Array.from({ length: BATCH }, () => newId(createdAt)) };
  });
  if (engine === 'postgres') {
    const client = new Client(url);
    await client.connect();
    const sql = insert('unnest($1::text[]) AS id').replaceAll('?', 'CAST($2 AS bigint)');
    for (const { ids, createdAt } of batches) await client.query(sql, [ids, createdAt]);
    await client.query('ANALYZE two_factor_confirmation');
    await client.end();
    return;
  }
  const connection = await mysql.createConnection(url);
  const table = "JSON_TABLE(?, '$[*]' COLUMNS (id varchar(36) PATH '$')) AS ids";
  for (const { ids, createdAt } of batches) {
    const times = Array.from({ length: 4 }, () => createdAt);
    await connection.query(insert(table), [...times, JSON.stringify(ids)]);
  }
  await connection.end();
}

expectNoStrayRejections();

describe.each(servers)(`${DEAD} dead rows on %s`, (engine) => {
  it('are purged when confirmations run beside, no live row is changed, and an interrupted purge is harmless (case 84)', async () => {
    const database = await openDatabase(engine);
    const clock = new TestClock();
    const options = { clock, useWithinSeconds: 900, databaseTimeoutMs: 60_000 };
    const test = await startApp({ database, options });
    const other = await startApp({ database, options });
    const { confirmer } = test;
    const records = test.dataSource.getRepository(ConfirmationRecord);

    await writeDead(database, clock.now() - 3 * DAY_MS);

    // Older than a day, and alive: made to live for a day, and confirmed in its last minute.
    const old = await inGroups(LIVING, () =>
      confirmer.makeConfirmation({ ttlSeconds: DAY_SECONDS }),
    );
    // Expired since, but for less than the day that dead rows are kept.
    const kept = await inGroups(LIVING, () => confirmer.makeConfirmation());
    clock.advance(DAY_SECONDS - 60);
    await inGroups(LIVING, (at) => confirmer.confirm(old[at]!, old[at]!.code!));
    clock.advance(360);
    // The ids of request keys sort before all others, whatever their age.
    const keyed = await inGroups(LIVING, (at) =>
      confirmer.makeConfirmation({ idempotencyKey: `request-number-${at}` }),
    );
    const pending = await inGroups(LIVING, () => confirmer.makeConfirmation());
    const confirmed = await inGroups(LIVING, () =>
      confirmer.makeConfirmation({ isConfirmed: true }),
    );
    expect(await records.count()).toBe(DEAD + 5 * LIVING);

    let lives = 0;
    const outcomes: string[] = [];
    const life = async (app: TestApp): Promise<void> => {
      const state = await app.confirmer.makeConfirmation();
      const [, wrong] = await app.confirmer.confirm(state, 'WRONGCODE');
      const [, right] = await app.confirmer.confirm(state, state.code!);
      const uses = [await app.confirmer.use(state), await app.confirmer.use(state)];
      outcomes.push([wrong, right, ...uses].join(' '));
      lives += 1;
    };
    /** Whole lives, several at once, as long as `work` takes, and some more. */
    const livingDuring = async <T>(work: (enough: Promise<void>) => Promise<T>): Promise<T> => {
      let isOver = false;
      let enough = (): void => undefined;
      const reached = new Promise<void>((resolve) => {
        enough = resolve;
      });
      const before = lives;
      const crowd = [test, other, test, other].map(async (app) => {
        for (;;) {
          await life(app);
          if (lives - before < 100) continue;
          enough();
          if (isOver) return;
        }
      });
      const result = await work(reached).finally(() => {
        isOver = true;
      });
      await Promise.all(crowd);
      return result;
    };

    // Stopped in the middle, and what it had done stays done.
    const abort = new AbortController();
    const interrupted = await livingDuring(async (enough) => {
      const purge = confirmer.purge({ ...PACE, signal: abort.signal });
      await enough;
      abort.abort();
      return purge;
    });
    expect(interrupted).toBeGreaterThan(0);
    expect(interrupted).toBeLessThan(DEAD);
    expect(await records.count()).toBe(DEAD - interrupted + 5 * LIVING + lives);

    // Two instances at once, which may end each other's round early, and then one that finishes.
    const together = await livingDuring(() =>
      Promise.all([test, other].map((app) => app.confirmer.purge(PACE))),
    );
    const rest = await livingDuring(() => confirmer.purge(PACE));

    expect(interrupted + together[0]! + together[1]! + rest).toBe(DEAD);
    expect(await records.count()).toBe(5 * LIVING + lives);
    expect(tally(outcomes)).toEqual({ 'false true true false': lives });
    expect(lives).toBeGreaterThanOrEqual(300);

    const right = async (states: typeof pending): Promise<Record<string, number>> =>
      tally(
        await inGroups(LIVING, (at) =>
          outcomeOf(confirmer.confirm(states[at]!, states[at]!.code!).then(([, done]) => done)),
        ),
      );
    const used = async (states: typeof pending): Promise<Record<string, number>> =>
      tally(await inGroups(LIVING, (at) => outcomeOf(confirmer.use(states[at]!))));
    expect(await right(pending)).toEqual({ true: LIVING });
    expect(await right(keyed)).toEqual({ true: LIVING });
    for (const states of [old, confirmed, pending, keyed]) {
      expect(await used(states)).toEqual({ true: LIVING });
    }
    expect((await confirmer.check(kept[0]!.id))[0]?.status).toBe('expired');

    // All that lived is dead a day later, and goes the same way.
    clock.advance(2 * DAY_SECONDS);
    expect(await confirmer.purge(PACE)).toBe(5 * LIVING + lives);
    expect(await records.count()).toBe(0);

    await other.close();
    await test.close();
    await database.drop();
  });

  it('are purged together with living rows when a purge goes by age alone, which is the naive twin (case 84)', async () => {
    const database = await openDatabase(engine);
    const clock = new TestClock();
    const test = await startApp({ database, options: { clock, useWithinSeconds: 900 } });
    const state = await test.confirmer.makeConfirmation({ ttlSeconds: DAY_SECONDS });
    clock.advance(DAY_SECONDS - 60);
    await test.confirmer.confirm(state, state.code!);
    clock.advance(360);

    expect(await test.confirmer.purge()).toBe(0);
    await test.dataSource.query(
      `DELETE FROM two_factor_confirmation WHERE created_at < ${clock.now() - DAY_MS}`,
    );

    expect(await test.confirmer.use(state)).toBe(false);
    await test.close();
    await database.drop();
  });
});
