// Concurrent calls that MySQL and MariaDB execute together: each gets the answer that it gets alone.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import {
  LimitService,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type ConfirmationState,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { mysqlServers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { SILENT, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

/** Statements for several calls. */
const COMPARES = /^UPDATE \(SELECT .+ STRAIGHT_JOIN .two_factor_limit./s;
const USES = /^UPDATE \(SELECT (?!.+two_factor_limit)/s;
const CHARGES = /^INSERT INTO .two_factor_limit.[^(]+\([^)]+\) VALUES .*BIT_COUNT/s;
const LISTED = [COMPARES, USES, CHARGES];
const isListed = (sql: string): boolean => LISTED.some((text) => text.test(sql));
/** How many statements there are beside the begin and the end of transactions. */
const countWork = (statements: readonly { readonly sql: string }[]): number =>
  statements.filter(({ sql }) => sql !== 'BEGIN' && sql !== 'COMMIT').length;

const open: TestApp[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const many = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

const personOf = (index: number) => ({
  token: `person-${index}@example.com`,
  subject: `person ${index}'s "\\ \u00fc \u{1F600}`,
  purpose: 'login',
});

const bindingOf = (index: number) => {
  const { subject, purpose } = personOf(index);
  return { subject, purpose };
};

const connectionLost = (): Error =>
  Object.assign(new Error('Connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' });

function expectLost(answers: readonly PromiseSettledResult<unknown>[]): void {
  const lost = answers.filter(({ status }) => status === 'rejected');
  expect(lost.length).toBeGreaterThan(5);
  for (const each of lost) {
    expect(each).toMatchObject({ reason: expect.any(TwoFactorUnavailableError) as unknown });
  }
}

describe.each(mysqlServers)('Concurrent calls on %s', (engine) => {
  /** Calls go together once the answer of a statement for one call has arrived. */
  async function start(input: TestAppInput = {}): Promise<TestApp> {
    const test = await startApp({
      engine,
      ...input,
      // Also in the rounds whose environment switches batching and limits off.
      options: { batching: true, env: false, limits: {}, ...input.options },
    });
    open.push(test);
    const { id } = await test.confirmer.makeConfirmation({ subject: 'first' });
    await test.confirmer.confirm(id, WRONG_CODE);
    return test;
  }
  const makeMany = (
    { confirmer }: TestApp,
    count: number,
    from = 0,
  ): Promise<ConfirmationState[]> =>
    many(count, (index) => confirmer.makeConfirmation(personOf(from + index)));
  const failuresOf = async ({ app }: TestApp, index: number): Promise<number> => {
    const { token, subject } = personOf(index);
    return (await app.get(LimitService).failures({ token, subject })).count;
  };

  it('sends 40 calls of a kind in six statements at most, and with batching: false in one each', async () => {
    const test = await start();
    const single = await start({ options: { batching: false } });
    const { confirmer, log } = test;

    const made = await log.during(() => makeMany(test, 40));
    const states = await makeMany(test, 40, 40);
    const confirmed = await log.during(() =>
      Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!))),
    );
    const used = await log.during(() =>
      Promise.all(states.map((state, index) => confirmer.use(state, bindingOf(40 + index)))),
    );
    const alone = await single.log.during(() => makeMany(single, 40));

    // Two statements for each of three or four batches or first single calls.
    expect(countWork(made)).toBeLessThanOrEqual(16);
    expect(made.some(({ sql }) => CHARGES.test(sql))).toBe(true);
    expect(countWork(confirmed)).toBeLessThanOrEqual(12);
    expect(confirmed.some(({ sql }) => COMPARES.test(sql))).toBe(true);
    expect(countWork(used)).toBeLessThanOrEqual(6);
    expect(used.some(({ sql }) => USES.test(sql))).toBe(true);
    expect(alone).toHaveLength(80);
    expect(alone.some(({ sql }) => isListed(sql))).toBe(false);
  });

  it('returns to each call its own answer', async () => {
    const test = await start();
    const { confirmer, clock, log } = test;
    const [expired] = await makeMany(test, 1, 90);
    clock.advance(700);
    const states = await makeMany(test, 12);
    const [right, wrong, last, ended, cancelled, confirmed, late] = states as [
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
    ];
    for (let tries = 0; tries < 5; tries += 1) await confirmer.confirm(ended.id, WRONG_CODE);
    for (let tries = 0; tries < 4; tries += 1) {
      await confirmer.confirm(last.id, WRONG_CODE);
      await confirmer.confirm(late.id, WRONG_CODE);
    }
    await confirmer.cancel(cancelled);
    await confirmer.confirm(confirmed.id, confirmed.code!);
    const unknown = `${right.id.slice(0, 20)}${'0'.repeat(16)}`;

    let answers: Awaited<ReturnType<typeof confirmer.confirm>>[] = [];
    const statements = await log.during(async () => {
      answers = await Promise.all([
        ...states.slice(7).map(({ id }) => confirmer.confirm(id, WRONG_CODE)),
        confirmer.confirm(right.id, right.code!),
        confirmer.confirm(wrong.id, WRONG_CODE),
        confirmer.confirm(last.id, last.code!),
        confirmer.confirm(late.id, WRONG_CODE),
        confirmer.confirm(ended.id, ended.code!),
        confirmer.confirm(cancelled.id, cancelled.code!),
        confirmer.confirm(confirmed.id, confirmed.code!),
        confirmer.confirm(expired!.id, expired!.code!),
        confirmer.confirm(unknown, '123456'),
      ]);
    });

    expect(statements.some(({ sql }) => COMPARES.test(sql))).toBe(true);
    expect(
      answers
        .slice(5)
        .map(([state, done]) => [
          state?.id ?? null,
          state?.status ?? null,
          state?.attemptsLeft ?? null,
          done,
        ]),
    ).toEqual([
      [right.id, 'confirmed', 4, true],
      [wrong.id, 'pending', 4, false],
      [last.id, 'confirmed', 0, true],
      [late.id, 'locked', 0, false],
      [ended.id, 'locked', 0, false],
      [cancelled.id, 'cancelled', 5, false],
      [confirmed.id, 'confirmed', 4, false],
      [expired!.id, 'expired', 5, false],
      [null, null, null, false],
    ]);
    expect(await many(3, (index) => failuresOf(test, [0, 1, 6][index]!))).toEqual([0, 1, 5]);
    expect((await confirmer.check(right.id))[0]).toMatchObject({
      confirmedBy: 'code',
      attemptsLeft: 4,
    });

    const withKey = { ...bindingOf(5), idempotencyKey: 'sixteen-characters' };
    const uses = [
      confirmer.use(right, bindingOf(0)),
      confirmer.use(last, { ...bindingOf(2), purpose: 'logout' }),
      confirmer.use(last, { ...bindingOf(2), subject: 'bob' }),
      confirmer.use(wrong, bindingOf(1)),
      confirmer.use(confirmed, withKey),
      confirmer.use(unknown, bindingOf(0)),
      confirmer.use(last, bindingOf(2)),
      confirmer.use(right, bindingOf(0)),
    ];
    expect(await Promise.all(uses)).toEqual([true, false, false, false, true, false, true, false]);
    expect(await confirmer.use(confirmed, withKey)).toBe(true);
  });

  it('frees the slots of right codes and of last wrong codes', async () => {
    const test = await start();
    const { confirmer } = test;
    const people = Array.from({ length: 8 }, (_, index) => index);
    const makeAll = (): Promise<PromiseSettledResult<ConfirmationState>[][]> =>
      Promise.all(
        people.map((index) =>
          Promise.allSettled(
            Array.from({ length: 3 }, () => confirmer.makeConfirmation(personOf(index))),
          ),
        ),
      );
    const made = (await makeAll()).map((ofPerson) =>
      ofPerson.map((each) => (each as PromiseFulfilledResult<ConfirmationState>).value),
    );
    const countMade = (all: readonly (readonly PromiseSettledResult<unknown>[])[]): number[] =>
      all.map((each) => each.filter(({ status }) => status === 'fulfilled').length);
    expect(countMade(await makeAll())).toEqual(people.map(() => 0));

    for (let tries = 0; tries < 5; tries += 1) {
      await Promise.all(made.map(([one]) => confirmer.confirm(one!.id, WRONG_CODE)));
    }
    await Promise.all(made.map(([, other]) => confirmer.confirm(other!.id, other!.code!)));

    expect(countMade(await makeAll())).toEqual(people.map(() => 2));
  });

  it('counts each failure when two confirmations of one person are tried at once', async () => {
    const test = await start();
    const { confirmer } = test;
    const [first, second] = [await makeMany(test, 12), await makeMany(test, 12)];

    const answers = await Promise.all(
      [...first, ...second].map(({ id }) => confirmer.confirm(id, WRONG_CODE)),
    );

    expect(answers.map(([state]) => state?.attemptsLeft)).toEqual(answers.map(() => 4));
    expect(await many(12, (index) => failuresOf(test, index))).toEqual(first.map(() => 2));
  });

  it('locks after ten wrong codes, and compares none after that', async () => {
    const test = await start();
    const { confirmer, twoFactor } = test;
    const people = Array.from({ length: 6 }, (_, index) => index);
    const ids = await Promise.all(
      people.map((index) => many(3, async () => (await twoFactor.request(personOf(index))).id)),
    );

    const answers = await Promise.all(
      ids
        .flat()
        .flatMap((id) =>
          Array.from({ length: 5 }, () =>
            confirmer.confirm(id, WRONG_CODE).catch((error: unknown) => error),
          ),
        ),
    );

    expect(await Promise.all(people.map((index) => failuresOf(test, index)))).toEqual(
      people.map(() => 10),
    );
    const locked = answers.filter((answer) => answer instanceof TwoFactorTooManyRequestsError);
    expect(locked).toHaveLength(people.length * 5);
  });

  it('gives each person the messages of the limits, charges nothing for the others, and leaves no row for a new token', async () => {
    const test = await start();
    const { twoFactor, dataSource, log } = test;
    const people = 4;

    let answers: PromiseSettledResult<unknown>[] = [];
    const statements = await log.during(async () => {
      answers = await Promise.allSettled(
        Array.from({ length: 48 }, (_, index) => twoFactor.request(personOf(index % people))),
      );
    });

    expect(statements.some(({ sql }) => CHARGES.test(sql))).toBe(true);
    const refused = answers.filter(({ status }) => status === 'rejected');
    // Five messages in ten minutes to each.
    expect(refused).toHaveLength(48 - people * 5);
    for (const each of refused) {
      expect(each).toMatchObject({ reason: expect.any(TwoFactorTooManyRequestsError) as unknown });
    }
    const rows: { amount: number }[] = await dataSource.query(
      "SELECT amount FROM two_factor_limit WHERE kind = 'window' ORDER BY amount DESC",
    );
    // The quotas of the sender and of all senders count the messages of all; the slot of the first confirmation is one more.
    const amounts = rows.map(({ amount }) => amount);
    expect(Math.max(...amounts)).toBe(people * 5);
    expect(amounts.every((amount) => [1, 5, 20].includes(amount))).toBe(true);
  });

  it('delays only the call of a locked row, and no other call of its batch', async () => {
    const test = await start();
    const { confirmer, dataSource } = test;
    const states = await many(24, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const tried = await makeMany(test, 12);
    const [locked, ...others] = states;
    let isFree = false;
    const waiting = await dataSource.transaction(async (manager) => {
      // By equality: of a list of ids in a small table, MySQL reads and locks all rows.
      for (const { id } of [locked!, tried[5]!]) {
        await manager.query(`SELECT 1 FROM two_factor_confirmation WHERE id = '${id}' FOR UPDATE`);
      }
      const used = [...others.slice(0, 12), locked!, ...others.slice(12)].map((state) =>
        confirmer.use(state).then((done) => ({ done, isFree })),
      );
      const confirmed = tried.map(({ id, code }) =>
        confirmer.confirm(id, code!).then(([, done]) => ({ done, isFree })),
      );
      const first = [
        ...used.filter((_, index) => index !== 12),
        ...confirmed.filter((_, index) => index !== 5),
      ];
      expect(await Promise.all(first)).toEqual(first.map(() => ({ done: true, isFree: false })));
      isFree = true;
      return () => Promise.all([used[12]!, confirmed[5]!]);
    });

    expect(await waiting()).toEqual([
      { done: true, isFree: true },
      { done: true, isFree: true },
    ]);
  });

  it('would refuse the calls of a batch for one locked row in the naive twin, whose statements wait for it', async () => {
    const { confirmer, dataSource } = await start({ options: { databaseTimeoutMs: 1_000 } });
    interceptStatements(dataSource, (sql, run) => run(sql.replace('SKIP LOCKED', '')));
    const states = await many(24, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const answers = await dataSource.transaction(async (manager) => {
      await manager.query(
        `SELECT 1 FROM two_factor_confirmation WHERE id = '${states[12]!.id}' FOR UPDATE`,
      );
      return Promise.allSettled(states.map((state) => confirmer.use(state)));
    });

    expect(answers.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(5);
  });

  it.each([
    ['deadlock', 1213, '40001'],
    ['lock wait timeout', 1205, 'HY000'],
  ])(
    'executes each call on its own after a %s, and charges none twice',
    async (_, errno, sqlState) => {
      const test = await start();
      const { confirmer, dataSource } = test;
      let lost = 0;
      interceptStatements(dataSource, async (sql, run) => {
        if (!isListed(sql)) return run();
        lost += 1;
        throw Object.assign(new Error('a lost race'), { errno, sqlState, code: 'ER_LOST' });
      });

      const states = await makeMany(test, 12);
      const wrong = await Promise.all(states.map(({ id }) => confirmer.confirm(id, WRONG_CODE)));
      const counted = await many(12, (index) => failuresOf(test, index));
      const right = await Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!)));
      const used = await Promise.all(
        states.map((state, index) => confirmer.use(state, bindingOf(index))),
      );

      expect(lost).toBeGreaterThanOrEqual(4);
      expect(wrong.map(([state, done]) => [state?.attemptsLeft, done])).toEqual(
        wrong.map(() => [4, false]),
      );
      expect(counted).toEqual(counted.map(() => 1));
      expect(right.map(([state, done]) => [state?.attemptsLeft, done])).toEqual(
        right.map(() => [3, true]),
      );
      expect(used).toEqual(used.map(() => true));
      const rows: { amount: number }[] = await dataSource.query(
        'SELECT amount FROM two_factor_limit',
      );
      expect(Math.max(...rows.map(({ amount }) => amount))).toBe(1);
    },
  );

  it('has no effect for a call whose statement gets no answer', async () => {
    const test = await start();
    const { confirmer, dataSource } = test;
    const states = await makeMany(test, 12);
    interceptStatements(dataSource, async (sql, run) => {
      const answer = await run();
      if (!isListed(sql)) return answer;
      throw connectionLost();
    });

    const answers = await Promise.allSettled(
      states.map(({ id }) => confirmer.confirm(id, WRONG_CODE)),
    );

    const counted = await many(12, (index) => failuresOf(test, index));
    expect(counted).toEqual(answers.map(({ status }) => Number(status === 'fulfilled')));
    expectLost(answers);
  });

  it('reports no call as undone when a COMMIT gets no answer', async () => {
    const test = await start();
    const { confirmer, dataSource } = test;
    const states = await makeMany(test, 12);
    interceptStatements(dataSource, async (sql, run) => {
      const answer = await run();
      if (sql !== 'COMMIT') return answer;
      throw connectionLost();
    });

    expectLost(await Promise.allSettled(states.map(({ id }) => confirmer.confirm(id, WRONG_CODE))));
    // Each was compared once, whether its caller has learned that or not.
    expect(await many(12, (index) => failuresOf(test, index))).toEqual(states.map(() => 1));
  });

  it.each([
    ['before the first call', true],
    ['while the application is running', false],
  ])(
    'loses no proof and no attempt to triggers that are created %s and reset the answers of the statements',
    async (_, isEarly) => {
      const test = await startApp({ engine, options: { batching: true, env: false, limits: {} } });
      open.push(test);
      const { confirmer, dataSource, log } = test;
      const createTriggers = async (): Promise<void> => {
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
      };
      if (isEarly) await createTriggers();

      const states = await makeMany(test, 24);
      await Promise.all(states.map(({ id }) => confirmer.confirm(id, WRONG_CODE)));
      const answers = await Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!)));
      // Half of the uses of the batch below have no effect, so that the number of rows does not say which ones did.
      await Promise.all(
        states.slice(12).map((state, index) => confirmer.use(state, bindingOf(12 + index))),
      );
      if (!isEarly) await createTriggers();
      const uses = await many(24, (index) => confirmer.use(states[index]!, bindingOf(index)));
      const later = await log.during(() => makeMany(test, 24, 24));

      expect(answers.map(([state, done]) => [state?.attemptsLeft, done])).toEqual(
        states.map(() => [3, true]),
      );
      expect(await many(24, (index) => failuresOf(test, index))).toEqual(states.map(() => 0));
      expect(uses).toEqual(states.map((_state, index) => index < 12));
      expect(later.some(({ sql }) => isListed(sql))).toBe(true);
    },
  );

  it('rolls a batch back and executes each call on its own where nothing says what the batch did', async () => {
    const test = await start();
    const { confirmer, dataSource, log } = test;
    const states = await makeMany(test, 24);
    await Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!)));
    await Promise.all(
      states.slice(12).map((state, index) => confirmer.use(state, bindingOf(12 + index))),
    );
    await dataSource.query(
      'CREATE TRIGGER noticed AFTER UPDATE ON two_factor_confirmation FOR EACH ROW SET @noticed = NEW.id',
    );
    let asked = 0;
    interceptStatements(dataSource, (sql, run) => {
      if (!sql.startsWith('SELECT LAST_INSERT_ID')) return run();
      asked += 1;
      return run('SELECT 0 AS id');
    });

    const used = await many(24, (index) => confirmer.use(states[index]!, bindingOf(index)));
    const later = await log.during(() =>
      many(24, (index) => confirmer.use(states[index]!, bindingOf(index))),
    );

    expect(asked).toBeGreaterThan(0);
    expect(used).toEqual(states.map((_, index) => index < 12));
    expect(later.some(({ sql }) => isListed(sql))).toBe(false);
  });

  it('goes on without batches when the server refuses their statements', async () => {
    const test = await start();
    const { confirmer, dataSource } = test;
    let refused = 0;
    interceptStatements(dataSource, async (sql, run) => {
      if (!isListed(sql)) return run();
      refused += 1;
      throw Object.assign(new Error('safe update mode'), { errno: 1175, sqlState: 'HY000' });
    });
    const states = await many(12, () => confirmer.makeConfirmation({ isConfirmed: true }));

    const first = await Promise.all(states.map((state) => confirmer.use(state)));
    const second = await Promise.all(states.map((state) => confirmer.use(state)));

    expect(first).toEqual(states.map(() => true));
    expect(second).toEqual(states.map(() => false));
    expect(refused).toBe(1);
  });

  it('uses each proof once with sql_safe_updates, which MariaDB refuses a joined UPDATE for', async () => {
    const pool = 5;
    const test = await start({ dataSource: { poolSize: pool } });
    const { confirmer, dataSource } = test;
    const runners = Array.from({ length: pool }, () => dataSource.createQueryRunner());
    await Promise.all(runners.map((runner) => runner.connect()));
    for (const runner of runners) await runner.query('SET SESSION sql_safe_updates = 1');
    await Promise.all(runners.map((runner) => runner.release()));
    const states = await makeMany(test, 12);

    const right = await Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!)));
    const uses = states.flatMap((state, index) => [
      confirmer.use(state, bindingOf(index)),
      confirmer.use(state, bindingOf(index)),
    ]);

    expect(right.map(([state, done]) => [state?.attemptsLeft, done])).toEqual(
      states.map(() => [4, true]),
    );
    expect((await Promise.all(uses)).filter(Boolean)).toHaveLength(12);
  });

  it('does nothing for a call that was refused because its deadline had passed', async () => {
    const { confirmer, dataSource } = await start({
      dataSource: { ...SILENT, poolSize: 1 },
      options: { databaseTimeoutMs: 300 },
    });
    const states: ConfirmationState[] = [];
    for (let count = 0; count < 6; count += 1) {
      states.push(await confirmer.makeConfirmation({ isConfirmed: true }));
    }
    const early: Promise<boolean>[] = [];
    const late: Promise<boolean>[] = [];
    // The only connection is taken for longer than the first ones wait, and not as long as the last ones do.
    await dataSource.transaction(async () => {
      early.push(...states.slice(0, 3).map((state) => confirmer.use(state)));
      for (const each of early) each.catch(() => undefined);
      await sleep(200);
      late.push(...states.slice(3).map((state) => confirmer.use(state)));
      await sleep(200);
    });

    expect((await Promise.allSettled(early)).map(({ status }) => status)).toEqual(
      early.map(() => 'rejected'),
    );
    expect(await Promise.all(late)).toEqual([true, true, true]);
    for (const state of states.slice(0, 3)) expect(await confirmer.use(state)).toBe(true);
  });
});
