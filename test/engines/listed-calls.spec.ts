// Concurrent calls that MySQL and MariaDB execute together: each gets the answer that it gets alone.
import { describe, expect, it } from 'vitest';

import { TwoFactorTooManyRequestsError, type ConfirmationState } from '../../lib/index.js';
import { bindingOf, describeBatches, makeMany, many, personOf } from '../support/batch-contract.js';
import { WRONG_CODE } from '../support/canaries.js';
import { withEndlessPatience } from '../support/endless-patience.js';
import { mysqlServers } from '../support/engines.js';
import {
  CHARGES,
  COMPARES,
  countWork,
  failuresOf,
  INSERTS,
  isListed,
  openApplications,
  spoil,
  startBatching,
} from '../support/listed-statements.js';
import type { TestApp, TestAppInput } from '../support/test-app.js';

const open = openApplications();

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

  it('charges and inserts 40 requests in sixteen statements at most', async () => {
    const test = await start();

    const made = await test.log.during(() => withEndlessPatience(() => makeMany(test, 40)));

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
    // As if an attacker who may write to the table had put the stored code of one confirmation into the row of another one.
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
});
