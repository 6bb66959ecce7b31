// What batches promise on every engine that has them: each call gets the answer that it gets alone.
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorConfigurationError,
  type ConfirmationState,
} from '../../lib/index.js';
import { WRONG_CODE } from './canaries.js';
import { withEndlessPatience } from './endless-patience.js';
import { interceptStatements } from './intercept-statements.js';
import type { TestApp, TestAppInput } from './test-app.js';

interface Logged {
  readonly sql: string;
}

export interface BatchesUnderTest {
  /** Starts an application in which calls that come at once go together. The contract closes it. */
  readonly start: (input?: TestAppInput) => Promise<TestApp>;
  /** Whether a statement executes several calls. */
  readonly isBatched: (sql: string) => boolean;
  /** How many statements there are beside the begin and the end of transactions. */
  readonly countWork: (statements: readonly Logged[]) => number;
  /** How many statements 40 calls of a kind take at most, and how many 40 requests take with `batching: false`. */
  readonly work: { readonly confirm: number; readonly use: number; readonly single: number };
  /** Makes the database refuse each new confirmation of the subject "spoiler". */
  readonly spoilInserts: (dataSource: DataSource) => Promise<void>;
  /** The members of the error by which the server says that it does not know a statement. */
  readonly unsupported: object;
}

export const many = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

export const personOf = (index: number) => ({
  token: `person-${index}@example.com`,
  subject: `person ${index}'s "\\ \u00fc \u{1F600}`,
  purpose: 'login',
});

export const bindingOf = (index: number) => {
  const { subject, purpose } = personOf(index);
  return { subject, purpose };
};

export function makeMany(
  { confirmer }: TestApp,
  count: number,
  from = 0,
): Promise<ConfirmationState[]> {
  return many(count, (index) =>
    confirmer.makeConfirmation({ ...personOf(from + index), meta: { a: ['"', index] } }),
  );
}

export const confirmedOnes = (
  { confirmer }: TestApp,
  count: number,
): Promise<ConfirmationState[]> =>
  many(count, () => confirmer.makeConfirmation({ isConfirmed: true }));

/** Begins a transaction on each connection of the pool, and gives all of them back without an end of it. */
export async function leaveTransactionsOpen(
  dataSource: DataSource,
  poolSize: number,
  sql: string,
): Promise<void> {
  const runners = Array.from({ length: poolSize }, () => dataSource.createQueryRunner());
  for (const runner of runners) await runner.connect();
  for (const runner of runners) {
    await runner.startTransaction();
    await runner.query(sql);
  }
  for (const runner of runners) await runner.release();
}

/** Asks on a connection that is not of the application: one of those sees what it has not committed. */
export async function askElsewhere<T>(
  { database }: TestApp,
  ask: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const entities = [ConfirmationRecord];
  const other = await new DataSource({ ...database.options, entities }).initialize();
  try {
    return await ask(other);
  } finally {
    await other.destroy();
  }
}

export function describeBatches(name: string, under: BatchesUnderTest): void {
  const { isBatched, countWork, work, spoilInserts, unsupported } = under;

  describe(`Batches on ${name}`, () => {
    const open: TestApp[] = [];
    afterEach(async () => {
      for (const each of open.splice(0).toReversed()) await each.close();
    });
    const start = async (input?: TestAppInput): Promise<TestApp> => {
      const test = await under.start(input);
      open.push(test);
      return test;
    };

    it('send 40 calls of a kind in few statements, and with batching: false in one each', async () => {
      const test = await start();
      const single = await start({ options: { batching: false } });
      const { confirmer, log } = test;
      const states = await makeMany(test, 40);

      const confirmed = await log.during(() =>
        withEndlessPatience(() =>
          Promise.all(states.map(({ id, code }) => confirmer.confirm(id, code!))),
        ),
      );
      const used = await log.during(() =>
        withEndlessPatience(() => many(40, (i) => confirmer.use(states[i]!, bindingOf(i)))),
      );
      const alone = await single.log.during(() => makeMany(single, 40));

      expect(countWork(confirmed)).toBeLessThanOrEqual(work.confirm);
      expect(confirmed.some(({ sql }) => isBatched(sql))).toBe(true);
      expect(countWork(used)).toBeLessThanOrEqual(work.use);
      expect(used.some(({ sql }) => isBatched(sql))).toBe(true);
      expect(alone).toHaveLength(work.single);
      expect(alone.some(({ sql }) => isBatched(sql))).toBe(false);
    });

    it('return to each call its own answer', async () => {
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

      expect(statements.some(({ sql }) => isBatched(sql))).toBe(true);
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
      expect(answers[5]![0]).toMatchObject({ ...bindingOf(0), meta: { a: ['"', 0] } });
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
      expect(await Promise.all(uses)).toEqual([
        true,
        false,
        false,
        false,
        true,
        false,
        true,
        false,
      ]);
      expect(await confirmer.use(confirmed, withKey)).toBe(true);
    });

    it('delay only the call of a locked row, and no other call of its batch', async () => {
      // The calls of the locked rows wait for all others, on however busy a machine.
      const test = await start({ options: { databaseTimeoutMs: 60_000 } });
      const { confirmer, dataSource } = test;
      const states = await confirmedOnes(test, 24);
      const tried = await makeMany(test, 12);
      const [locked, ...others] = states;
      let isFree = false;
      const waiting = await dataSource.transaction(async (manager) => {
        // By equality: of a list of ids in a small table, MySQL reads and locks all rows.
        for (const { id } of [locked!, tried[5]!]) {
          await manager.query(
            `SELECT 1 FROM two_factor_confirmation WHERE id = '${id}' FOR UPDATE`,
          );
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
      const test = await start({ options: { databaseTimeoutMs: 5_000 } });
      const { confirmer, dataSource } = test;
      interceptStatements(dataSource, (sql, run) => run(sql.replace('SKIP LOCKED', '')));
      const states = await confirmedOnes(test, 24);
      const answers = await dataSource.transaction(async (manager) => {
        await manager.query(
          `SELECT 1 FROM two_factor_confirmation WHERE id = '${states[12]!.id}' FOR UPDATE`,
        );
        return Promise.allSettled(states.map((state) => confirmer.use(state)));
      });

      expect(answers.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(5);
    });

    it('reject only the call that a trigger refuses', async () => {
      const { confirmer, dataSource, log } = await start();
      await spoilInserts(dataSource);

      let answers: PromiseSettledResult<unknown>[] = [];
      const statements = await log.during(async () => {
        answers = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) =>
            confirmer.makeConfirmation({ subject: index === 10 ? 'spoiler' : `ann-${index}` }),
          ),
        );
      });

      expect(statements.some(({ sql }) => isBatched(sql))).toBe(true);
      expect(answers.map(({ status }) => status === 'fulfilled')).toEqual(
        Array.from({ length: 20 }, (_, index) => index !== 10),
      );
      expect(answers[10]).toMatchObject({
        reason: expect.any(TwoFactorConfigurationError) as unknown,
      });
    });

    it('commit what they answer where an application has left transactions open on all connections', async () => {
      const poolSize = 5;
      const test = await start({ dataSource: { poolSize } });
      await leaveTransactionsOpen(test.dataSource, poolSize, 'SELECT 1');

      const made = await confirmedOnes(test, 12);

      const stored = await askElsewhere(test, (other) =>
        other.getRepository(ConfirmationRecord).find(),
      );
      const ids = new Set(stored.map(({ id }) => id));
      expect(made.filter(({ id }) => !ids.has(id))).toEqual([]);
    });

    it('are tried once where the server does not know their statements', async () => {
      const test = await start();
      const { confirmer, dataSource } = test;
      const states = await confirmedOnes(test, 20);
      let refused = 0;
      interceptStatements(dataSource, async (sql, run) => {
        if (!isBatched(sql)) return run();
        refused += 1;
        throw Object.assign(new Error('This is not understood.'), unsupported);
      });

      const first = await Promise.all(states.map((state) => confirmer.use(state)));
      const second = await Promise.all(states.map((state) => confirmer.use(state)));

      expect(first).toEqual(states.map(() => true));
      expect(second).toEqual(states.map(() => false));
      expect(refused).toBe(1);
    });

    it('do nothing for a call that was refused because its deadline had passed', async () => {
      const { confirmer, dataSource } = await start({
        dataSource: { poolSize: 1 },
        options: { databaseTimeoutMs: 4_000 },
      });
      const states: ConfirmationState[] = [];
      for (let count = 0; count < 6; count += 1) {
        states.push(await confirmer.makeConfirmation({ isConfirmed: true }));
      }
      const early: Promise<boolean>[] = [];
      const late: Promise<boolean>[] = [];
      // The only connection is taken until the first ones are refused. The last ones come after that, with all of their time left.
      await dataSource.transaction(async () => {
        early.push(...states.slice(0, 3).map((state) => confirmer.use(state)));
        await Promise.allSettled(early);
        late.push(...states.slice(3).map((state) => confirmer.use(state)));
      });

      expect((await Promise.allSettled(early)).map(({ status }) => status)).toEqual(
        early.map(() => 'rejected'),
      );
      expect(await Promise.all(late)).toEqual([true, true, true]);
      for (const state of states.slice(0, 3)) expect(await confirmer.use(state)).toBe(true);
    });
  });
}
