// Limits without a price: PostgreSQL charges them in the statement that makes, or that compares.
import { afterEach, describe, expect, it } from 'vitest';

import { ConfirmationCreator, ConfirmationStore } from '../../lib/confirmation/index.js';
import {
  LimitService,
  TwoFactorUnavailableError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const OTHER_SECRET = `${SECRET}-other`;
const opened: TestApp[] = [];

afterEach(async () => {
  for (const app of opened.splice(0).toReversed()) await app.close();
});

async function start(options: TwoFactorModuleOptions = {}, first?: TestApp): Promise<TestApp> {
  const test = await startApp({
    engine: 'postgres',
    ...(first ? { database: first.database } : {}),
    options: { limits: {}, env: false, ...options },
  });
  opened.push(test);
  return test;
}

const limitsOf = ({ app }: TestApp): LimitService => app.get(LimitService, { strict: false });

const failures = async (test: TestApp, token: string): Promise<number> =>
  (await limitsOf(test).failures({ token })).count;

const attemptsLeft = async (test: TestApp, id: string): Promise<number> =>
  (await test.confirmer.check(id))[0]!.attemptsLeft;

/** Runs `work` while a transaction holds what `sql` touches, and commits it when that waits. */
async function whileHeld<T>(
  { dataSource }: TestApp,
  [sql, parameters]: [sql: string, parameters: unknown[]],
  work: () => Promise<T>,
): Promise<T> {
  const owner = dataSource.createQueryRunner();
  await owner.startTransaction();
  try {
    await owner.query(sql, parameters);
    const done = work();
    done.catch(() => undefined);
    for (let waiting = 0; waiting === 0;) {
      const [row] = (await dataSource.query(
        `SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted AND pid IN
           (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`,
      )) as [{ waiting: string }];
      waiting = Number(row.waiting);
    }
    await owner.commitTransaction();
    return await done;
  } finally {
    await owner.release();
  }
}

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', () => {
  const token = 'ann@example.com';

  it.each([true, false])(
    'sends one statement for each batch of concurrent calls, with batching: %s',
    async (join) => {
      const { confirmer, log } = await start({ batching: join });
      const people = Array.from({ length: 40 }, (_, index) => `user-${index}@example.com`);

      const made = await log.during(() =>
        Promise.all(people.map((each) => confirmer.makeConfirmation({ token: each }))),
      );
      const states = await Promise.all(
        people.map((each) => confirmer.makeConfirmation({ token: each, purpose: 'login' })),
      );
      const confirmed = await log.during(async () => {
        const answers = states.map((state) => confirmer.confirm(state.id, state.code!));
        expect((await Promise.all(answers)).every(([, done]) => done)).toBe(true);
      });

      // Two go at once, the others while those are on their way.
      expect([made.length, confirmed.length]).toEqual(join ? [3, 3] : [40, 40]);
    },
  );

  it('counts a failure for each of many confirmations of one token that are tried in one batch', async () => {
    const test = await start({ batching: true });
    const states = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        test.confirmer.makeConfirmation({ token, purpose: `p${index}` }),
      ),
    );

    const answers = await Promise.allSettled(
      states.map(({ id }) => test.confirmer.confirm(id, WRONG_CODE)),
    );

    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await failures(test, token)).toBe(10);
  });

  it('judges a confirmation that changes during the call by its newest state', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ token });
    const update = 'UPDATE two_factor_confirmation SET attempts = attempts + 2 WHERE id = $1';

    const [after, done] = await whileHeld(test, [update, [state.id]], () =>
      test.confirmer.confirm(state.id, WRONG_CODE),
    );

    expect([after?.attemptsLeft, done]).toEqual([2, false]);
    expect(await failures(test, token)).toBe(1);
  });

  it('charges no quota when the confirmation ends during the call', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ token });
    const cancel = 'UPDATE two_factor_confirmation SET cancelled_at = 1 WHERE id = $1';

    const [after, done] = await whileHeld(test, [cancel, [state.id]], () =>
      test.confirmer.confirm(state.id, state.code!),
    );

    expect([after?.status, after?.attemptsLeft, done]).toEqual(['cancelled', 5, false]);
    expect(await failures(test, token)).toBe(0);
  });

  it.each(['wrong', 'right'])(
    'a %s code waits for a call that locks its token, and is then refused',
    async (kind) => {
      const test = await start();
      const state = await test.confirmer.makeConfirmation({ token });
      await test.confirmer.confirm(state.id, WRONG_CODE);
      const lock = `UPDATE two_factor_limit SET amount = 10, ends_at = $1 WHERE kind = 'failures'`;

      const attempt = whileHeld(test, [lock, [test.clock.now() + 30_000]], () =>
        test.confirmer.confirm(state.id, kind === 'right' ? state.code! : WRONG_CODE),
      );

      await expect(attempt).rejects.toMatchObject({ code: 'too-many-requests' });
      expect(await attemptsLeft(test, state.id)).toBe(4);
      expect(await failures(test, token)).toBe(10);
    },
  );

  it('charges nothing when it cannot charge all: the statement takes itself back', async () => {
    // Each failure is counted under each of the two secrets.
    const test = await start({ secret: undefined, secrets: [SECRET, OTHER_SECRET] });
    const state = await test.confirmer.makeConfirmation({ token, subject: 'ann' });
    // One of the two rows cannot be charged, as if another call had come in between.
    await test.dataSource.query(`
      CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF EXISTS (SELECT 1 FROM two_factor_limit WHERE kind = 'failures') THEN RETURN NULL; END IF; RETURN NEW; END $$;
      CREATE TRIGGER lose BEFORE INSERT ON two_factor_limit FOR EACH ROW EXECUTE FUNCTION lose()`);

    for (const code of [WRONG_CODE, state.code!]) {
      const attempt = test.confirmer.confirm(state.id, code);
      await expect(attempt).rejects.toThrow(TwoFactorUnavailableError);
    }

    expect(await attemptsLeft(test, state.id)).toBe(5);
    const charged = (): Promise<unknown> =>
      test.dataSource.query("SELECT amount FROM two_factor_limit WHERE kind = 'failures'");
    expect(await charged()).toEqual([]);
    await test.dataSource.query('DROP TRIGGER lose ON two_factor_limit');
    // The same call charges both when it can.
    await test.confirmer.confirm(state.id, WRONG_CODE);
    expect(await charged()).toEqual([{ amount: 1 }, { amount: 1 }]);
    expect((await test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });

  it('counts failures for a token only after a later message has named the token', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ subject: 'ann' });
    await test.confirmer.confirm(state.id, WRONG_CODE);
    await test.sender.send(null, token, state);

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, WRONG_CODE));

    expect(statements).toHaveLength(1);
    const limits = limitsOf(test);
    // What was guessed before there was a token is of the subject's codes without one.
    expect((await limits.failures({ subject: 'ann', token })).count).toBe(1);
    expect((await limits.failures({ subject: 'ann' })).count).toBe(1);
    expect(await failures(test, token)).toBe(0);
  });

  it('counts failures in the counters of strangers when the client of a subject names the token later', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ subject: 'ann', tokenFrom: 'client' });
    await test.sender.send(null, token, state);

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, WRONG_CODE));

    expect(statements).toHaveLength(1);
    expect(await failures(test, token)).toBe(1);
    expect((await limitsOf(test).failures({ subject: 'ann', token })).count).toBe(0);
  });

  it('what was made in a transaction is counted too', async () => {
    const test = await start();
    const state = await test.dataSource.transaction((manager) =>
      test.confirmer.makeConfirmation({ token, manager }),
    );

    await test.confirmer.confirm(state.id, WRONG_CODE);

    expect(await failures(test, token)).toBe(1);
  });

  it('counts a failure of an older confirmation under the new and the old secret', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ token });
    const rotated = await start({ secret: undefined, secrets: [OTHER_SECRET, SECRET] }, test);
    const renewed = await start({ secret: OTHER_SECRET }, test);

    await rotated.confirmer.confirm(state.id, WRONG_CODE);

    expect(await failures(test, token)).toBe(1);
    expect(await failures(renewed, token)).toBe(1);
    expect((await rotated.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    expect(await failures(test, token)).toBe(0);
    expect(await failures(renewed, token)).toBe(0);
  });

  it('creates one confirmation for concurrent repeats of one idempotency key on two instances', async () => {
    const first = await start();
    const second = await start({}, first);
    const input = { token, subject: 'ann', idempotencyKey: 'one-key-for-both-instances' };
    const message = { way: 'default', requester: undefined, queued: null };
    const creators = [first, second].map(({ app }) => app.get(ConfirmationCreator));

    const made = await Promise.all(
      Array.from({ length: 12 }, (_, index) => creators[index % 2]!.create(input, message)),
    );

    expect(new Set(made.map(({ state }) => state.id)).size).toBe(1);
    expect(made.filter(({ receipt }) => receipt !== null)).toHaveLength(1);
    // What the others had consumed was refunded.
    const amounts = (await first.dataSource.query(
      "SELECT DISTINCT amount FROM two_factor_limit WHERE kind = 'window'",
    )) as unknown[];
    expect(amounts).toEqual([{ amount: 1 }]);
  });

  it('replaces the failure keys of another ring, but not those that a message has written since', async () => {
    const test = await start();
    const state = await test.confirmer.makeConfirmation({ token });
    const store = test.app.get(ConfirmationStore);
    const keys = async (): Promise<unknown> =>
      test.dataSource.query('SELECT failure_keys FROM two_factor_confirmation');
    const seen = (await store.find(state.id))!;
    const before = await keys();
    await test.sender.send(null, token, state);

    await store.updateFailureKeys(seen, 'older');

    expect(await keys()).toEqual(before);
    await store.updateFailureKeys((await store.find(state.id))!, 'newer');
    expect(await keys()).toEqual([{ failure_keys: 'newer' }]);
    // The ring of these keys is unknown, so that the next attempt replaces them and is counted.
    await test.confirmer.confirm(state.id, WRONG_CODE);
    expect(await keys()).toEqual(before);
    expect(await failures(test, token)).toBe(1);
  });

  it('the last wrong code frees the slot, and so does the right one', async () => {
    const test = await start({ limits: { pending: { max: 1 } }, maxAttempts: 2 });
    const make = (): ReturnType<typeof test.confirmer.makeConfirmation> =>
      test.confirmer.makeConfirmation({ token });
    const first = await make();
    await expect(make()).rejects.toMatchObject({ limit: 'pending' });
    await test.confirmer.confirm(first.id, WRONG_CODE);
    await expect(make()).rejects.toMatchObject({ limit: 'pending' });
    await test.confirmer.confirm(first.id, WRONG_CODE);
    const second = await make();
    await test.confirmer.confirm(second.id, second.code!);

    await expect(make()).resolves.toMatchObject({ status: 'pending' });
  });

  it('charges concurrent messages in one batch, and never allows too many', async () => {
    const test = await start({
      batching: true,
      limits: { sendsInTotal: [{ max: 50, perSeconds: 60 }] },
    });
    const ask = (index: number): Promise<unknown> =>
      test.twoFactor.request({ token: `user-${index}@example.com` });

    const statements = await test.log.during(() =>
      Promise.all(Array.from({ length: 30 }, (_, index) => ask(index))),
    );
    const more = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) => ask(index + 30)),
    );

    expect(statements).toHaveLength(3);
    expect(more.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    expect(test.inbox.deliveries).toHaveLength(50);
    const rows = (await test.dataSource.query(
      'SELECT amount FROM two_factor_limit WHERE allowed = 50',
    )) as { amount: number }[];
    expect(rows).toEqual([{ amount: 50 }]);
  });

  it('uses several statements when the server cannot execute the combined one', async () => {
    const test = await start({ batching: false });
    const refused = { name: 'error', code: '0A000' };
    let asked = 0;
    interceptStatements(test.dataSource, async (sql, run) => {
      if (!sql.includes('consumed AS')) return run();
      asked += 1;
      throw Object.assign(new Error('multiple mutations of one table'), refused);
    });

    const state = await test.confirmer.makeConfirmation({ token });
    await test.confirmer.confirm(state.id, WRONG_CODE);
    const failed = await failures(test, token);
    const [, done] = await test.confirmer.confirm(state.id, state.code!);

    expect([failed, done, await failures(test, token)]).toEqual([1, true, 0]);
    // Named, then without a name, and never again.
    expect(asked).toBeLessThanOrEqual(2);
  });
});
