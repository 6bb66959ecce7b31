// A statement for several calls that fails, or gets no answer, must neither lose a call nor count one twice.
import { describe, expect, it } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { bindingOf, confirmedOnes, makeMany, many } from '../support/batch-contract.js';
import { WRONG_CODE } from '../support/canaries.js';
import { mysqlServers } from '../support/engines.js';
import { gate } from '../support/gate.js';
import { interceptStatements } from '../support/intercept-statements.js';
import {
  failuresOf,
  isListed,
  openApplications,
  spoil,
  startBatching,
  USES,
} from '../support/listed-statements.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

const open = openApplications();

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
  const start = async (input?: TestAppInput): Promise<TestApp> => {
    const test = await startBatching(engine, input);
    open.push(test);
    return test;
  };

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
    const test = await start({
      dataSource: { poolSize: 1 },
      options: { databaseTimeoutMs: 4_000 },
    });
    const { confirmer, dataSource } = test;
    const states = await confirmedOnes(test, 12);
    const refused = gate();
    let hasBegun = false;
    let sentLate = 0;
    interceptStatements(dataSource, async (sql, run) => {
      if (hasBegun && isListed(sql)) sentLate += 1;
      const answer = await run();
      if (sql === 'BEGIN') {
        await refused.opened;
        hasBegun = true;
      }
      return answer;
    });

    const answers = await Promise.allSettled(states.map((state) => confirmer.use(state)));
    refused.open();
    // The only connection executes it when it is back in the pool.
    await dataSource.query('SELECT 1');

    expect(hasBegun).toBe(true);
    expect(answers.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(5);
    expect(sentLate).toBe(0);
  });
});
