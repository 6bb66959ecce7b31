// Batched calls: each gets the answer that it gets alone.
import { setTimeout as sleep } from 'node:timers/promises';

import { IsNull } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import { bindArrays, batchRowsSql } from '../../lib/database/batching/batch-rows.js';
import { Statement } from '../../lib/database/statement.js';
import {
  ConfirmationRecord,
  TwoFactorConfigurationError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitsOptions,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines, type EngineName } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

const JOINED = /^WITH given AS MATERIALIZED/;

let test: TestApp;
afterEach(() => test.close());

const many = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

// Without limits an attempt is another statement, which charges nothing, and is batched as well.
const settings = engines.flatMap((engine) =>
  engine === 'postgres'
    ? [
        { engine, setting: 'the default limits', limits: {} },
        { engine, setting: 'no limits', limits: false as const },
      ]
    : [],
);

async function startBatching(
  engine: EngineName,
  limits: LimitsOptions | false,
  input: TestAppInput = {},
): Promise<TestApp> {
  test = await startApp({
    engine,
    ...input,
    // Also in the rounds whose environment switches batching off.
    options: { batching: true, env: false, limits, ...input.options },
  });
  return test;
}

describe.each(settings)('On $engine with $setting', ({ engine, limits }) => {
  const start = (input?: TestAppInput): Promise<TestApp> => startBatching(engine, limits, input);

  it('sends concurrent calls in three statements, and with batching: false in one statement each', async () => {
    const { confirmer, log } = await start();
    const single = await startApp({ engine, options: { batching: false, limits } });
    const count = async ({ log: itsLog }: TestApp, work: () => Promise<unknown>): Promise<number> =>
      (await itsLog.during(work)).length;

    const states = await many(40, () => confirmer.makeConfirmation());
    const confirmed = await log.during(() =>
      Promise.all(states.map((state) => confirmer.confirm(state.id, state.code!))),
    );
    const used = await count(test, () => Promise.all(states.map((state) => confirmer.use(state))));
    const made = await count(single, () => many(40, () => single.confirmer.makeConfirmation()));
    await single.close();

    expect(confirmed.some(({ sql }) => JOINED.test(sql))).toBe(true);
    expect(confirmed.length).toBeLessThanOrEqual(3);
    expect(used).toBeLessThanOrEqual(3);
    expect(made).toBe(40);
  });

  it('returns to each call its own answer when calls share a transaction', async () => {
    const { confirmer, clock } = await start();
    const expired = await confirmer.makeConfirmation();
    clock.advance(700);
    const bindingOf = (index: number) => ({
      purpose: 'login',
      subject: `ann ${index}'s "\\ \u00fc \u{1F600}`,
    });
    const fresh = (index: number): ReturnType<typeof confirmer.makeConfirmation> =>
      confirmer.makeConfirmation({ ...bindingOf(index), meta: { a: ['"', 1] } });
    const [right, wrong, last, locked, cancelled, confirmed] = await many(6, fresh);
    for (let tries = 0; tries < 5; tries += 1) await confirmer.confirm(locked!.id, WRONG_CODE);
    for (let tries = 0; tries < 4; tries += 1) await confirmer.confirm(last!.id, WRONG_CODE);
    await confirmer.cancel(cancelled!);
    await confirmer.confirm(confirmed!.id, confirmed!.code!);
    const unknown = `${right!.id.slice(0, 20)}${'0'.repeat(16)}`;

    const answers = await Promise.all([
      confirmer.confirm((await fresh(6)).id, WRONG_CODE),
      confirmer.confirm(right!.id, right!.code!),
      confirmer.confirm(wrong!.id, WRONG_CODE),
      confirmer.confirm(last!.id, last!.code!),
      confirmer.confirm(locked!.id, locked!.code!),
      confirmer.confirm(cancelled!.id, cancelled!.code!),
      confirmer.confirm(confirmed!.id, confirmed!.code!),
      confirmer.confirm(expired.id, expired.code!),
      confirmer.confirm(unknown, '123456'),
    ]);

    expect(
      answers.map(([state, done]) => [
        state?.id ?? null,
        state?.status ?? null,
        state?.attemptsLeft ?? null,
        done,
      ]),
    ).toEqual([
      [answers[0][0]!.id, 'pending', 4, false],
      [right!.id, 'confirmed', 4, true],
      [wrong!.id, 'pending', 4, false],
      [last!.id, 'confirmed', 0, true],
      [locked!.id, 'locked', 0, false],
      [cancelled!.id, 'cancelled', 5, false],
      [confirmed!.id, 'confirmed', 4, false],
      [expired.id, 'expired', 5, false],
      [null, null, null, false],
    ]);
    expect(answers[1][0]).toMatchObject({ ...bindingOf(0), meta: { a: ['"', 1] } });
    const withKey = { ...bindingOf(5), idempotencyKey: 'sixteen-characters' };
    const uses = [
      confirmer.use(right!, bindingOf(0)),
      confirmer.use(last!, { ...bindingOf(2), purpose: 'logout' }),
      confirmer.use(last!, { ...bindingOf(2), subject: 'bob' }),
      confirmer.use(wrong!, bindingOf(1)),
      confirmer.use(confirmed!, withKey),
      confirmer.use(unknown, bindingOf(0)),
      confirmer.use(last!, bindingOf(2)),
      confirmer.use(right!, bindingOf(0)),
    ];
    expect(await Promise.all(uses)).toEqual([true, false, false, false, true, false, true, false]);
    expect(await confirmer.use(confirmed!, withKey)).toBe(true);
  });

  it('whatever they give arrives as it is', async () => {
    const { dataSource } = await start();
    const texts = [
      '',
      'null',
      'NULL',
      null,
      'a,b',
      '{}',
      '"',
      '\\',
      '\\n',
      'a\nb',
      '\u0001\b\f\r\t',
      "'",
      'ü\u{1F600}',
    ];
    const numbers = [0, -1, 1_795_392_000_000, null];
    const given = [
      ...texts.map((text) => ({ text, number: 1 })),
      ...numbers.map((number) => ({ text: 'a', number })),
    ].map((values, index) => ({ id: String(index), json: JSON.stringify(values), ...values }));
    const rows = batchRowsSql({ id: 'varchar', text: 'text', json: 'text', number: 'bigint' });
    const statement = new Statement('postgres', rows);
    const read = async (values: readonly unknown[]): Promise<unknown[]> => {
      const answer: Record<string, unknown>[] = await dataSource.query(statement.text, [...values]);
      return answer.map((row) => [row['given_text'], row['given_json'], row['given_number']]);
    };

    expect(await read(bindArrays(statement, given))).toEqual(
      given.map(({ text, number }) => [
        text,
        JSON.stringify({ text, number }),
        number === null ? null : String(number),
      ]),
    );
    // The naive twin: JSON with other brackets.
    expect(statement.order).toEqual(['list_id', 'list_text', 'list_json', 'list_number']);
    const [, naive] = await read([
      '{"0","1"}',
      `{${JSON.stringify(['a', 'a\nb']).slice(1, -1)}}`,
      '{"{}","{}"}',
      '{1,1}',
    ]);
    expect((naive as unknown[])[0]).toBe('anb');
  });

  /** Where the server takes a NULL in an array for a text. @returns how many of twelve that were used without a key have none. */
  async function usedWithoutKey(rewrite: (sql: string) => string): Promise<number> {
    const { confirmer, dataSource } = await start({
      dataSource: { extra: { options: '-c array_nulls=off' } },
    });
    interceptStatements(dataSource, (sql, run) => run(rewrite(sql)));
    const states = await many(12, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const used = await Promise.all(states.map((state) => confirmer.use(state)));
    expect(used).toEqual(states.map(() => true));
    return dataSource.getRepository(ConfirmationRecord).countBy({ useKey: IsNull() });
  }

  it('executes each call on its own where array_nulls is off', async () => {
    expect(await usedWithoutKey((sql) => sql)).toBe(12);
  });

  it('since statements that do not ask for it, the naive twin, write the text "null"', async () => {
    const ask = "current_setting('array_nulls', true) IS DISTINCT FROM 'off'";

    expect(await usedWithoutKey((sql) => sql.replace(ask, 'true'))).toBeLessThan(12);
  });

  it('unknown, foreign and used ones cost as many statements', async () => {
    const { confirmer, log } = await start();
    const states = await many(16, () =>
      confirmer.makeConfirmation({ subject: 'ann', isConfirmed: true }),
    );
    const used = await many(16, () => confirmer.makeConfirmation({ isConfirmed: true }));
    await Promise.all(used.map((state) => confirmer.use(state)));
    const count = async (ids: readonly string[]): Promise<number> =>
      (await log.during(() => Promise.all(ids.map((id) => confirmer.use(id))))).length;

    const foreign = await count(states.map(({ id }) => id));
    const spent = await count(used.map(({ id }) => id));
    const unknown = await count(
      states.map(({ id }, index) => `${id.slice(0, 19)}${index.toString(16)}${'0'.repeat(16)}`),
    );

    // One statement for the calls whose rows it changes, and one that learns why it changed no row.
    expect([foreign, spent, unknown]).toEqual([2, 2, 2]);
  });

  it('delays only the call of a locked row, and no other call of its batch', async () => {
    const { confirmer, dataSource } = await start();
    const states = await many(40, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const [locked, ...others] = states;
    let isFree = false;
    const waiting = await dataSource.transaction(async (manager) => {
      await manager.query(
        `SELECT 1 FROM two_factor_confirmation WHERE id = '${locked!.id}' FOR UPDATE`,
      );
      const used = [...others.slice(0, 20), locked!, ...others.slice(20)].map((state) =>
        confirmer.use(state).then((done) => ({ done, isFree })),
      );
      const first = used.filter((_, index) => index !== 20);
      expect(await Promise.all(first)).toEqual(first.map(() => ({ done: true, isFree: false })));
      isFree = true;
      return () => used[20]!;
    });

    expect(await waiting()).toEqual({ done: true, isFree: true });
  });

  it('which one statement without SKIP LOCKED, the naive twin, would not do', async () => {
    const { confirmer, dataSource } = await start({ options: { databaseTimeoutMs: 1_000 } });
    interceptStatements(dataSource, (sql, run) => run(sql.replace('SKIP LOCKED', '')));
    const states = await many(40, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const refused = await dataSource.transaction(async (manager) => {
      await manager.query(
        `SELECT 1 FROM two_factor_confirmation WHERE id = '${states[20]!.id}' FOR UPDATE`,
      );
      return Promise.allSettled(states.map((state) => confirmer.use(state)));
    });

    expect(refused.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(10);
  });

  it('rejects only the call that makes the statement of its batch fail', async () => {
    const { confirmer, dataSource, log } = await start();
    await dataSource.query(`CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN
      IF NEW.subject = 'spoiler' THEN RAISE 'spoiled'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql`);
    await dataSource.query(
      'CREATE TRIGGER spoil BEFORE INSERT ON two_factor_confirmation FOR EACH ROW EXECUTE FUNCTION spoil()',
    );

    let answers: PromiseSettledResult<unknown>[] = [];
    const statements = await log.during(async () => {
      answers = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          confirmer.makeConfirmation({ subject: index === 10 ? 'spoiler' : `ann-${index}` }),
        ),
      );
    });

    expect(statements.some(({ sql }) => JOINED.test(sql))).toBe(true);
    expect(answers.map(({ status }) => status === 'fulfilled')).toEqual(
      Array.from({ length: 20 }, (_, index) => index !== 10),
    );
    expect(answers[10]).toMatchObject({
      reason: expect.any(TwoFactorConfigurationError) as unknown,
    });
  });

  it('reports no call as undone when a statement gets no answer', async () => {
    const { confirmer, dataSource } = await start();
    const states = await many(20, () => confirmer.makeConfirmation({ isConfirmed: true }));
    interceptStatements(dataSource, async (sql, run) => {
      const answer = await run();
      if (!JOINED.test(sql)) return answer;
      throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
    });

    const answers = await Promise.allSettled(
      states.map((state, index) =>
        confirmer.use(state, { idempotencyKey: `sixteen-characters-${index}` }),
      ),
    );

    const lost = answers.flatMap((answer, index) => (answer.status === 'rejected' ? [index] : []));
    expect(lost.length).toBeGreaterThan(10);
    for (const index of lost) {
      expect(answers[index]).toMatchObject({
        reason: expect.any(TwoFactorUnavailableError) as unknown,
      });
      expect(
        await confirmer.use(states[index]!, { idempotencyKey: 'another-key-of-an-effect' }),
      ).toBe(false);
      expect(
        await confirmer.use(states[index]!, { idempotencyKey: `sixteen-characters-${index}` }),
      ).toBe(true);
    }
  });

  it('tries SKIP LOCKED once when the server does not support it', async () => {
    const { confirmer, dataSource } = await start();
    let joined = 0;
    interceptStatements(dataSource, async (sql, run) => {
      if (!JOINED.test(sql)) return run();
      joined += 1;
      throw Object.assign(new Error('syntax error at or near "SKIP"'), { code: '42601' });
    });

    const states = await many(20, () => confirmer.makeConfirmation({ isConfirmed: true }));
    const used = await Promise.all(states.map((state) => confirmer.use(state)));

    expect(used).toEqual(states.map(() => true));
    expect(joined).toBe(1);
  });

  it('does nothing for a call that was refused because its deadline had passed', async () => {
    const { confirmer, dataSource } = await start({
      dataSource: { poolSize: 1 },
      options: { databaseTimeoutMs: 300 },
    });
    const states = await many(6, () => confirmer.makeConfirmation({ isConfirmed: true }));
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

describe.each(settings.slice(0, 1))('On $engine with $setting', ({ engine, limits }) => {
  it('charges the limits of a batch in one statement, all or nothing for each call', async () => {
    const { confirmer, log } = await startBatching(engine, limits);
    const make = (index: number): ReturnType<typeof confirmer.makeConfirmation> =>
      confirmer.makeConfirmation({
        subject: `user-${index % 16}`,
        purpose: 'login',
        token: `user-${index % 16}@example.com`,
      });
    const charges = /INSERT INTO "two_factor_limit"/;

    const statements = await log.during(() => many(16, make));
    // Two units are left to each, and three more calls each want one.
    const answers = await Promise.allSettled(Array.from({ length: 48 }, (_, index) => make(index)));

    expect(statements.filter(({ sql }) => charges.test(sql)).length).toBeLessThanOrEqual(3);
    const refused = answers.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(16);
    for (const each of refused) {
      expect(each).toMatchObject({ reason: expect.any(TwoFactorTooManyRequestsError) as unknown });
    }
  });
});
