// Batched calls of PostgreSQL: each gets the answer that it gets alone.
import { IsNull, type DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import { bindArrays, batchRowsSql } from '../../lib/database/batching/batch-rows.js';
import { Statement } from '../../lib/database/statement.js';
import {
  ConfirmationRecord,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitsOptions,
} from '../../lib/index.js';
import { describeBatches, many } from '../support/batch-contract.js';
import { engines, type EngineName } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

const JOINED = /^WITH given AS MATERIALIZED \(SELECT \* FROM \(SELECT unnest/;

let test: TestApp | undefined;
afterEach(async () => {
  await test?.close();
  test = undefined;
});

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

async function spoilInserts(dataSource: DataSource): Promise<void> {
  await dataSource.query(`CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN
    IF NEW.subject = 'spoiler' THEN RAISE 'spoiled'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql`);
  await dataSource.query(
    'CREATE TRIGGER spoil BEFORE INSERT ON two_factor_confirmation FOR EACH ROW EXECUTE FUNCTION spoil()',
  );
}

for (const { engine, setting, limits } of settings) {
  describeBatches(`${engine} with ${setting}`, {
    start: (input = {}) =>
      startApp({
        engine,
        ...input,
        options: { batching: true, env: false, limits, ...input.options },
      }),
    isBatched: (sql) => JOINED.test(sql),
    countWork: ({ length }) => length,
    work: { confirm: 3, use: 3, single: 40 },
    spoilInserts,
    unsupported: { code: '42601' },
  });
}

describe.each(settings)('On $engine with $setting', ({ engine, limits }) => {
  const start = (input?: TestAppInput): Promise<TestApp> => startBatching(engine, limits, input);

  it('passes every text, number and null of a caller to the server unchanged', async () => {
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

  it('writes the text "null" where array_nulls is off in the naive twin, whose statements do not check the setting', async () => {
    const ask = "current_setting('array_nulls', true) IS DISTINCT FROM 'off'";

    expect(await usedWithoutKey((sql) => sql.replace(ask, 'true'))).toBeLessThan(12);
  });

  it('sends as many statements for unknown and for foreign ids as for used proofs', async () => {
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
