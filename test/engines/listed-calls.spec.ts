// Concurrent calls that MySQL and MariaDB execute together: each gets the answer that it gets alone.
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource } from 'typeorm';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  LimitService,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type ConfirmationState,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import {
  bindingOf,
  confirmedOnes,
  describeBatches,
  makeMany,
  many,
  personOf,
} from '../support/batch-contract.js';
import { mysqlServers, type EngineName } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

/** Statements for several calls. */
const COMPARES = /^UPDATE \(SELECT .+ STRAIGHT_JOIN .two_factor_limit./s;
const USES = /^UPDATE \(SELECT (?!.+two_factor_limit)/s;
const CHARGES = /^INSERT INTO .two_factor_limit.[^(]+\([^)]+\) VALUES .*BIT_COUNT/s;
const LISTED = [COMPARES, USES, CHARGES];
const isListed = (sql: string): boolean => LISTED.some((text) => text.test(sql));
/** Inserts several confirmations, and needs no transaction around it. */
const INSERTS = /^INSERT INTO .two_factor_confirmation.[^(]+\([^)]+\) VALUES \([^)]+\), \(/s;
const BRACKETS = new Set(['ROLLBACK', 'BEGIN', 'COMMIT']);
/** How many statements there are beside the begin and the end of transactions. */
const countWork = (statements: readonly { readonly sql: string }[]): number =>
  statements.filter(({ sql }) => !BRACKETS.has(sql)).length;

const open: TestApp[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const connectionLost = (): Error =>
  Object.assign(new Error('Connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' });

function expectLost(answers: readonly PromiseSettledResult<unknown>[]): void {
  const lost = answers.filter(({ status }) => status === 'rejected');
  expect(lost.length).toBeGreaterThan(5);
  for (const each of lost) {
    expect(each).toMatchObject({ reason: expect.any(TwoFactorUnavailableError) as unknown });
  }
}

/** Calls go together once the answer of a statement for one call has arrived. */
async function startBatching(engine: EngineName, input: TestAppInput = {}): Promise<TestApp> {
  const test = await startApp({
    engine,
    ...input,
    // Also in the rounds whose environment switches batching and limits off.
    options: { batching: true, env: false, limits: {}, ...input.options },
  });
  const { id } = await test.confirmer.makeConfirmation({ subject: 'first' });
  await test.confirmer.confirm(id, WRONG_CODE);
  return test;
}

/** Makes the server refuse each insert, or each update, of a confirmation of the subject "spoiler". */
async function spoil(
  dataSource: DataSource,
  event: 'INSERT' | 'UPDATE',
  signal: string,
): Promise<void> {
  await dataSource.query(`
    CREATE TRIGGER spoil BEFORE ${event} ON two_factor_confirmation FOR EACH ROW
    IF NEW.subject = 'spoiler' THEN SIGNAL ${signal}; END IF`);
}

for (const engine of mysqlServers) {
  describeBatches(engine, {
    start: (input) => startBatching(engine, input),
    isBatched: (sql) => isListed(sql) || INSERTS.test(sql),
    countWork,
    work: { confirm: 12, use: 6, single: 80 },
    spoilInserts: (dataSource) => spoil(dataSource, 'INSERT', "SQLSTATE '45000'"),
    unsupported: { errno: 1175, sqlState: 'HY000' },
  });
}

describe.each(mysqlServers)('Concurrent calls on %s', (engine) => {
  const start = async (input?: TestAppInput): Promise<TestApp> => {
    const test = await startBatching(engine, input);
    open.push(test);
    return test;
  };
  const failuresOf = async ({ app }: TestApp, index: number): Promise<number> => {
    const { token, subject } = personOf(index);
    return (await app.get(LimitService).failures({ token, subject })).count;
  };

  it('charges and inserts 40 requests in sixteen statements at most', async () => {
    const test = await start();

    const made = await test.log.during(() => makeMany(test, 40));

    // Two statements for each of three or four batches or first single calls.
    expect(countWork(made)).toBeLessThanOrEqual(16);
    expect(made.some(({ sql }) => CHARGES.test(sql))).toBe(true);
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

  it('sends each person as many messages as the limits allow, and refused requests change no counter and create none', async () => {
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

  it('compares the code of each call with its own row alone', async () => {
    const test = await start();
    const { confirmer, dataSource, log } = test;
    const states = await makeMany(test, 12);
    const [victim, other] = [states[5]!, states[7]!];
    // As if somebody who may write to the table had put the stored code of one confirmation into the row of another one.
    const [row]: { code_mac: string }[] = await dataSource.query(
      `SELECT code_mac FROM two_factor_confirmation WHERE id = '${other.id}'`,
    );
    await dataSource.query(
      `UPDATE two_factor_confirmation SET code_mac = '${row!.code_mac}' WHERE id = '${victim.id}'`,
    );

    let answers: boolean[] = [];
    const statements = await log.during(async () => {
      const tried = await Promise.all(
        states.map(({ id, code }) => confirmer.confirm(id, id === victim.id ? WRONG_CODE : code!)),
      );
      answers = tried.map(([, done]) => done);
    });

    expect(statements.some(({ sql }) => COMPARES.test(sql))).toBe(true);
    expect(answers).toEqual(states.map(({ id }) => id !== victim.id));
  });

  it.each([
    ['the SQLSTATE of a trigger', "SQLSTATE '45000'"],
    ['an SQLSTATE that says nothing', "SQLSTATE 'HY000' SET MYSQL_ERRNO = 1105"],
  ])('fails only the use that a trigger refuses with %s', async (_, signal) => {
    const test = await start();
    const { confirmer, dataSource, log } = test;
    const subjectOf = (index: number): string => (index === 10 ? 'spoiler' : `ann-${index}`);
    const states = await many(20, (index) =>
      confirmer.makeConfirmation({ isConfirmed: true, subject: subjectOf(index) }),
    );
    await spoil(dataSource, 'UPDATE', signal);

    let answers: PromiseSettledResult<boolean>[] = [];
    const statements = await log.during(async () => {
      answers = await Promise.allSettled(
        states.map((state, index) => confirmer.use(state, { subject: subjectOf(index) })),
      );
    });

    expect(statements.some(({ sql }) => USES.test(sql))).toBe(true);
    expect(answers.map(({ status }) => status)).toEqual(
      states.map((_state, index) => (index === 10 ? 'rejected' : 'fulfilled')),
    );
  });

  it('sends nothing more for calls that are refused while BEGIN is under way', async () => {
    const test = await start({ options: { databaseTimeoutMs: 300 } });
    const { confirmer, dataSource } = test;
    const states = await confirmedOnes(test, 12);
    let hasBegun = false;
    let sentLate = 0;
    interceptStatements(dataSource, async (sql, run) => {
      if (hasBegun && isListed(sql)) sentLate += 1;
      const answer = await run();
      if (sql === 'BEGIN') {
        await sleep(600);
        hasBegun = true;
      }
      return answer;
    });

    const answers = await Promise.allSettled(states.map((state) => confirmer.use(state)));
    await vi.waitFor(() => expect(hasBegun).toBe(true), 5_000);
    await sleep(50);

    expect(answers.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(5);
    expect(sentLate).toBe(0);
  });
});
