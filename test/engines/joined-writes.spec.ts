// The UPDATE of MySQL and MariaDB that compares a code and charges its quotas, where the servers, their settings and other calls
// make it hard.
import { afterEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';

import {
  ConfirmationRecord,
  LimitService,
  TwoFactorTooManyRequestsError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { found, mysqlServers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { startApp, type TestApp } from '../support/test-app.js';

const POOL = 5;
const APPLICATIONS = 4;
const MAX_ATTEMPTS = 5;
/** Of all limits, also in the rounds that run without them. */
const LIMITS = { limits: {} } satisfies TwoFactorModuleOptions;
const JOINED = /^UPDATE .two_factor_confirmation. confirmation STRAIGHT_JOIN/;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** Says it on every connection of the pool, which keeps them. */
async function inEverySession(
  dataSource: DataSource,
  statements: readonly string[],
): Promise<void> {
  const runners = Array.from({ length: POOL }, () => dataSource.createQueryRunner());
  await Promise.all(runners.map((runner) => runner.connect()));
  for (const runner of runners) for (const sql of statements) await runner.query(sql);
  await Promise.all(runners.map((runner) => runner.release()));
}

async function start(
  engine: (typeof mysqlServers)[number],
  session: readonly string[] = [],
  database?: TestApp['database'],
): Promise<TestApp> {
  const options = {
    ...LIMITS,
    batching: true,
    databaseTimeoutMs: 60_000,
    maxAttempts: MAX_ATTEMPTS,
  };
  const test = await startApp({
    engine,
    ...(database && { database }),
    options,
    dataSource: { poolSize: POOL },
  });
  ends.push(() => test.close());
  await inEverySession(test.dataSource, session);
  return test;
}

const hasSnapshotIsolation = found.mariadb !== undefined;
const isolations = mysqlServers.flatMap((engine) => [
  { engine, isolation: 'READ COMMITTED', snapshot: false },
  { engine, isolation: 'REPEATABLE READ', snapshot: false },
  ...(engine === 'mariadb' && hasSnapshotIsolation
    ? [{ engine, isolation: 'REPEATABLE READ', snapshot: true }]
    : []),
]);

describe.each(isolations)(
  'Codes on $engine under $isolation, snapshot isolation: $snapshot',
  ({ engine, isolation, snapshot }) => {
    /** Applications that share a database and nothing else: what one process would put in a row meets in the server. */
    async function applications(): Promise<TestApp[]> {
      const session = [
        `SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`,
        ...(engine === 'mariadb'
          ? [`SET SESSION innodb_snapshot_isolation = ${Number(snapshot)}`]
          : []),
      ];
      const first = await start(engine, session);
      const all = [first];
      while (all.length < APPLICATIONS) all.push(await start(engine, session, first.database));
      return all;
    }
    const each = <T>(
      count: number,
      apps: readonly TestApp[],
      call: (app: TestApp) => Promise<T>,
    ): Promise<T[]> =>
      Promise.all(Array.from({ length: count }, (_, index) => call(apps[index % apps.length]!)));
    const person = { token: 'ann@example.com', subject: 'ann' };

    it('lets one of 100 right codes win, and ends the failures', async () => {
      const apps = await applications();
      const [{ confirmer, app }] = apps as [TestApp];
      const state = await confirmer.makeConfirmation(person);
      const code = state.code!;
      await confirmer.confirm(state.id, WRONG_CODE);

      const answers = await each(100, apps, (one) => one.confirmer.confirm(state.id, code));

      expect(answers.filter(([, confirmed]) => confirmed)).toHaveLength(1);
      expect(answers.find(([, confirmed]) => confirmed)![0]).toMatchObject({ confirmedBy: 'code' });
      expect((await confirmer.check(state.id))[0]).toMatchObject({ confirmedBy: 'code' });
      expect(await app.get(LimitService).failures(person)).toMatchObject({ count: 0 });
    });

    it('compares five of 1,000 wrong codes, numbers them from one to five, and counts five failures', async () => {
      const apps = await applications();
      const [{ confirmer, app, dataSource }] = apps as [TestApp];
      const { id } = await confirmer.makeConfirmation(person);

      const answers = await each(1_000, apps, (one) => one.confirmer.confirm(id, WRONG_CODE));

      const left = answers.map(([state]) => state!.attemptsLeft).filter((attempts) => attempts > 0);
      expect(left.toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4]);
      expect(answers.some(([, confirmed]) => confirmed)).toBe(false);
      const row = await dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
      expect(row.attempts).toBe(MAX_ATTEMPTS);
      expect(await app.get(LimitService).failures(person)).toMatchObject({ count: MAX_ATTEMPTS });
    });

    it('lets one of 12 right codes and one use win at each of 16 confirmations, and compares five of 12 wrong codes at eight others', async () => {
      const apps = await applications();
      const [{ confirmer, app }] = apps as [TestApp];
      // Calls go together once the answer of a statement for one call has arrived.
      for (const [index, one] of apps.entries()) {
        const { id } = await one.confirmer.makeConfirmation({ subject: `first-${index}` });
        await one.confirmer.confirm(id, WRONG_CODE);
      }
      const personOf = (index: number) => ({
        token: `ann-${index}@example.com`,
        subject: `ann-${index}`,
      });
      const states = await Promise.all(
        Array.from({ length: 24 }, (_, index) => confirmer.makeConfirmation(personOf(index))),
      );
      const [right, wrong] = [states.slice(0, 16), states.slice(16)];
      const before = apps.map(({ log }) => log.statements.length);

      const answers = await Promise.all(
        Array.from({ length: 12 * 24 }, async (_, index) => {
          const state = states[index % 24]!;
          const code = right.includes(state) ? state.code! : WRONG_CODE;
          // The twelve calls for one confirmation come to all applications.
          const one = apps[Math.floor(index / 24) % apps.length]!;
          return [state.id, await one.confirmer.confirm(state.id, code)] as const;
        }),
      );
      const uses = await Promise.all(
        right.flatMap(({ id }, index) =>
          apps.map((one) => one.confirmer.use(id, { subject: personOf(index).subject })),
        ),
      );

      const wonBy = (id: string): number =>
        answers.filter(([of, [, confirmed]]) => of === id && confirmed).length;
      expect(right.map(({ id }) => wonBy(id))).toEqual(right.map(() => 1));
      expect(wrong.map(({ id }) => wonBy(id))).toEqual(wrong.map(() => 0));
      expect(uses.filter(Boolean)).toHaveLength(16);
      const limits = app.get(LimitService);
      const counts = await Promise.all(
        states.map(async (_, index) => (await limits.failures(personOf(index))).count),
      );
      expect(counts).toEqual([...right.map(() => 0), ...wrong.map(() => MAX_ATTEMPTS)]);
      const sent = apps.flatMap(({ log }, index) => log.statements.slice(before[index]));
      expect(sent.some(({ sql }) => sql.startsWith('UPDATE (SELECT'))).toBe(true);
    });

    it('compares ten of 200 wrong codes at four confirmations of one person, and then locks', async () => {
      const apps = await applications();
      const [{ twoFactor, app }] = apps as [TestApp];
      const made = [];
      for (let count = 0; count < 4; count += 1) made.push((await twoFactor.request(person)).id);

      const refusals = await Promise.all(
        made.map((id) =>
          each(50, apps, (one) =>
            one.confirmer.confirm(id, WRONG_CODE).catch((error: unknown) => error),
          ),
        ),
      );

      expect(await app.get(LimitService).failures(person)).toMatchObject({ count: 10 });
      const locked = refusals
        .flat()
        .filter((each) => each instanceof TwoFactorTooManyRequestsError);
      expect(locked.length).toBeGreaterThan(0);
    });

    it('gives five of 100 messages to one person, and counts the others nowhere', async () => {
      const apps = await applications();
      const [{ dataSource }] = apps as [TestApp];

      const answers = await each(100, apps, (one) =>
        one.twoFactor.request(person).catch((error: unknown) => error),
      );

      const refused = answers.filter((answer) => answer instanceof TwoFactorTooManyRequestsError);
      expect(refused).toHaveLength(95);
      const rows: { amount: number }[] = await dataSource.query(
        "SELECT amount FROM two_factor_limit WHERE kind = 'window' AND amount > 0",
      );
      expect(rows.length).toBeGreaterThan(1);
      expect(new Set(rows.map(({ amount }) => amount))).toEqual(new Set([5]));
    });

    it('loses both guarantees in the naive twin', async () => {
      const apps = await applications();
      const [{ confirmer, dataSource }] = apps as [TestApp];
      const naive = new NaiveConfirmer(dataSource.getRepository(ConfirmationRecord));
      const won = await confirmer.makeConfirmation(person);
      const guessed = await confirmer.makeConfirmation(person);

      const winners = await Promise.all(
        Array.from({ length: 100 }, () => naive.confirm(won.id, true).catch(() => false)),
      );
      naive.comparisons = 0;
      await Promise.all(
        Array.from({ length: 1_000 }, () => naive.confirm(guessed.id, false).catch(() => false)),
      );

      expect(winners.filter(Boolean).length).toBeGreaterThan(1);
      expect(naive.comparisons).toBeGreaterThan(MAX_ATTEMPTS);
    });
  },
);

describe.each(mysqlServers)('The joined UPDATE on %s', (engine) => {
  const person = { token: 'bob@example.com', subject: 'bob', purpose: 'login' };
  const failures = async ({ app }: TestApp): Promise<number> =>
    (await app.get(LimitService).failures({ token: person.token, subject: person.subject })).count;

  it('works with sql_safe_updates, as everything else does', async () => {
    const test = await start(engine, ['SET SESSION sql_safe_updates = 1']);
    const { confirmer, twoFactor, clock, app } = test;
    const made = await confirmer.makeConfirmation(person);
    const { id } = await twoFactor.request(person);

    expect((await confirmer.confirm(id, WRONG_CODE))[1]).toBe(false);
    expect((await confirmer.confirm(id, test.inbox.lastCode))[1]).toBe(true);
    expect(await confirmer.use(id, { purpose: person.purpose, subject: person.subject })).toBe(
      true,
    );
    expect(await confirmer.cancel(made.id)).toBe(true);
    clock.advance(60);
    const again = await twoFactor.request(person);
    clock.advance(60);
    await twoFactor.resend(again.id);
    await app.get(LimitService).reset({ token: person.token, subject: person.subject });
    expect(await confirmer.erase({ subject: person.subject })).toBe(3);
    await confirmer.makeConfirmation(person);
    clock.advance(3 * 86_400);
    expect(await confirmer.purge()).toBe(1);
  });

  it('counts, locks and confirms when triggers of the tables reset the number that it answers', async () => {
    const test = await start(engine);
    const { confirmer, twoFactor, dataSource } = test;
    await dataSource.query(
      'CREATE TABLE noticed (number int AUTO_INCREMENT PRIMARY KEY, id varchar(36))',
    );
    for (const table of ['two_factor_confirmation', 'two_factor_limit']) {
      for (const event of ['INSERT', 'UPDATE']) {
        await dataSource.query(
          `CREATE TRIGGER ${table}_${event} AFTER ${event} ON ${table} FOR EACH ROW INSERT INTO noticed (id) VALUES (NEW.id)`,
        );
      }
    }
    const { id } = await twoFactor.request(person);
    const code = test.inbox.lastCode;

    const statements = await test.log.during(() => confirmer.confirm(id, WRONG_CODE));
    expect(await failures(test)).toBe(1);
    expect((await confirmer.confirm(id, WRONG_CODE))[0]?.attemptsLeft).toBe(3);
    expect(await confirmer.confirm(id, code)).toMatchObject([{ attemptsLeft: 2 }, true]);
    expect(await failures(test)).toBe(0);
    for (let sent = 1; sent < 5; sent += 1) await twoFactor.request(person);
    await expect(twoFactor.request(person)).rejects.toBeInstanceOf(TwoFactorTooManyRequestsError);

    // One to read, one to write, and those that read how it went.
    expect(statements.length).toBeGreaterThan(2);
  });

  it('charges a failure when the rows of the quotas were purged meanwhile', async () => {
    const test = await start(engine);
    const { id } = await test.twoFactor.request(person);
    await test.dataSource.query("DELETE FROM two_factor_limit WHERE kind = 'failures'");

    const [state] = await test.confirmer.confirm(id, WRONG_CODE);

    expect(state?.attemptsLeft).toBe(4);
    expect(await failures(test)).toBe(1);
  });

  it('reads the confirmation again when a message was recorded between its two statements', async () => {
    const test = await start(engine);
    const other = await start(engine, [], test.database);
    const { id } = await test.twoFactor.request(person);
    const code = test.inbox.lastCode;
    other.clock.advance(60);
    let resent = 0;
    interceptStatements(test.dataSource, async (sql, run) => {
      if (JOINED.test(sql) && resent === 0) {
        resent += 1;
        await other.twoFactor.resend(id);
      }
      return run();
    });

    const statements = await test.log.during(async () => {
      expect(await test.confirmer.confirm(id, code)).toMatchObject([{ attemptsLeft: 4 }, true]);
    });

    expect(resent).toBe(1);
    expect(statements.map(({ sql }) => sql.slice(0, 6))).toEqual([
      'SELECT',
      'UPDATE',
      'SELECT',
      'UPDATE',
    ]);
  });

  it('frees the slot of a confirmation whose row does not name it, as those of earlier versions', async () => {
    const test = await start(engine);
    const made = [];
    for (let count = 0; count < 3; count += 1)
      made.push(await test.confirmer.makeConfirmation(person));
    await expect(test.confirmer.makeConfirmation(person)).rejects.toBeInstanceOf(
      TwoFactorTooManyRequestsError,
    );
    await test.dataSource.query('UPDATE two_factor_confirmation SET slot_keys = NULL');

    expect((await test.confirmer.confirm(made[1]!.id, made[1]!.code!))[1]).toBe(true);

    await test.confirmer.makeConfirmation(person);
  });

  it('leaves no row behind for a refused request of a new token', async () => {
    const test = await start(engine);
    const requester = '192.0.2.7';
    const request = (name: string): Promise<unknown> =>
      test.twoFactor
        .request({ token: `${name}@example.com`, requester })
        .catch((error: unknown) => error);
    let sent = 0;
    while (!((await request(`stranger-${sent}`)) instanceof TwoFactorTooManyRequestsError))
      sent += 1;
    const rows = async (): Promise<number> =>
      Number(
        (
          await test.dataSource.query<{ rows_: number }[]>(
            'SELECT count(*) AS rows_ FROM two_factor_limit',
          )
        )[0]?.rows_,
      );
    const before = await rows();

    for (let count = 0; count < 5; count += 1) {
      expect(await request(`late-${count}`)).toBeInstanceOf(TwoFactorTooManyRequestsError);
    }

    expect(sent).toBeGreaterThan(0);
    expect(await rows()).toBe(before);
  });
});
