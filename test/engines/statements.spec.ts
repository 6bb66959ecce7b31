import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { engines, mysqlServers, type EngineName } from '../support/engines.js';
import { startHttpApp } from '../support/http.js';
import { countMethodStatements } from '../support/method-statements.js';
import { countStatements, documentedStatements } from '../support/statement-table.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** Their UPDATE returns no row. */
const isMysql = (engine: EngineName): boolean => mysqlServers.some((server) => server === engine);

describe.each(engines)('Statements without limits on %s', (engine) => {
  const confirmStatements = isMysql(engine) ? 2 : 1;
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: false } });
  });
  afterAll(() => test.close());

  it('makes a confirmation in one', async () => {
    const statements = await test.log.during(() =>
      test.confirmer.makeConfirmation({ meta: { any: 'json' }, purpose: 'login', subject: 'ann' }),
    );

    expect(statements.map(({ sql }) => sql.slice(0, 6))).toEqual(['INSERT']);
  });

  it(`confirms in ${confirmStatements}`, async () => {
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, code));

    expect(statements).toHaveLength(confirmStatements);
    expect(await test.confirmer.check(state.id)).toMatchObject([{ status: 'confirmed' }, true]);
  });

  it('charges a wrong code in as many statements as a right one', async () => {
    const state = await test.confirmer.makeConfirmation();

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, 'WRONGCODE'));

    expect(statements).toHaveLength(confirmStatements);
  });

  it('uses in one, with and without a key, and refuses in one', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });
    const keyed = await test.confirmer.makeConfirmation({ isConfirmed: true });

    const used = await test.log.during(() => test.confirmer.use(state));
    const refused = await test.log.during(() => test.confirmer.use(state));
    const usedByKey = await test.log.during(() =>
      test.confirmer.use(keyed, { idempotencyKey: 'sixteen-characters' }),
    );

    expect([used, refused, usedByKey].map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(used[0]?.sql.slice(0, 6)).toBe('UPDATE');
  });

  it('requests in one statement: a message that is sent immediately is recorded as sent', async () => {
    const statements = await test.log.during(() =>
      test.twoFactor.request({ token: 'a@b.example' }),
    );

    expect(statements).toHaveLength(1);
  });

  it('never sends a clear code to the database', async () => {
    const { state } = await test.twoFactor.request({ token: 'ann@example.com' });
    const code = state.code!;

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, code));

    expect(JSON.stringify(statements)).not.toContain(code);
    expect(JSON.stringify(statements)).not.toContain('ann@example.com');
  });

  it('sends each text of a caller as a parameter, so that no text is a part of a statement', async () => {
    const text = `ann'"\`; DROP TABLE two_factor_confirmation; --`;
    const { confirmer, twoFactor } = test;
    const token = `${text.replaceAll(' ', '')}@example.com`;
    const binding = { subject: text, details: { [text]: text } };
    const other = await confirmer.makeConfirmation({ subject: 'bob' });
    let isUsed = false;

    const statements = await test.log.during(async () => {
      const { id, state } = await twoFactor.request({ ...binding, token, meta: { text } });
      await confirmer.confirm(id, state.code!);
      isUsed = await confirmer.use(id, binding);
      await confirmer.check(id, binding);
      await confirmer.cancel(id);
      expect(await confirmer.erase({ subject: text })).toBe(1);
    });

    expect(isUsed).toBe(true);
    expect(statements.length).toBeGreaterThan(4);
    for (const { sql } of statements) expect(sql).not.toMatch(/DROP|ann'/);
    expect((await confirmer.check(other.id))[0]?.status).toBe('pending');
  });

  it('names its columns, so that a column that is added later breaks no prepared statement', async () => {
    const state = await test.confirmer.makeConfirmation();
    await test.dataSource.query('ALTER TABLE two_factor_confirmation ADD COLUMN added_later int');

    const [, confirmed] = await test.confirmer.confirm(state.id, state.code!);

    expect(confirmed).toBe(true);
  });
});

/** What each call says to the database with all limits at their defaults. */
const COUNTS = {
  postgres: { request: 1, resend: 3, confirmWrong: 1, confirmRight: 1, use: 1, cancel: 1 },
  'better-sqlite3': { request: 2, resend: 3, confirmWrong: 3, confirmRight: 4, use: 1, cancel: 1 },
  sqljs: { request: 2, resend: 3, confirmWrong: 3, confirmRight: 4, use: 1, cancel: 1 },
  // A cycle of one wrong and one right code takes seven: 2 to request, 2 for each code, 1 to use.
  mariadb: { request: 2, resend: 4, confirmWrong: 2, confirmRight: 2, use: 1, cancel: 2 },
  mysql: { request: 2, resend: 4, confirmWrong: 2, confirmRight: 2, use: 1, cancel: 2 },
} as const;

describe.each(engines)('Statements with default limits on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
  });
  afterAll(() => test.close());

  it('are as many in every case as docs/statements.md lists', async () => {
    const counted = await countStatements(engine);
    const ofMethods = await countMethodStatements(engine);

    process.stdout.write(`Statements of methods on ${engine}: ${JSON.stringify(ofMethods)}\n`);
    expect({ ...counted, ...ofMethods }).toEqual(await documentedStatements(engine));
    expect(Object.keys(counted).length).toBeGreaterThan(25);
    expect(Object.keys(ofMethods).length).toBeGreaterThan(15);
  });

  it('are as many as documented', async () => {
    const count = async (work: () => Promise<unknown>): Promise<number> =>
      (await test.log.during(work)).length;
    const login = { token: 'ann@example.com', subject: 'ann', purpose: 'login' };
    const request = await count(() => test.twoFactor.request(login));
    const { state } = await test.twoFactor.request({ ...login, purpose: 'transfer' });
    test.clock.advance(30);
    const counted = {
      request,
      resend: await count(() => test.twoFactor.resend(state.id)),
      confirmWrong: await count(() => test.confirmer.confirm(state.id, 'WRONGCODE')),
      confirmRight: await count(() => test.confirmer.confirm(state.id, state.code!)),
      use: await count(() => test.confirmer.use(state.id, { purpose: 'transfer', subject: 'ann' })),
      cancel: await count(() => test.confirmer.cancel(test.inbox.deliveries[0]!.state.id)),
    };

    // A confirmation that was made without a message gives its slot back.
    const made = await test.confirmer.makeConfirmation(login);
    expect(await count(() => test.confirmer.cancel(made.id))).toBe(COUNTS[engine].cancel + 1);
    process.stdout.write(`Statements on ${engine}: ${JSON.stringify(counted)}\n`);
    expect(counted).toEqual(COUNTS[engine]);
  });

  it('are as many over HTTP, because the statement that compares also checks the subject', async () => {
    const http = await startHttpApp({ engine, options: { limits: {}, controller: true } });
    const { id } = await http.request({ token: 'ann@example.com' });
    http.clock.advance(30);
    const count = async (route: string, body: object): Promise<number> =>
      (await http.log.during(() => http.post(`/2factor/${route}`, body))).length;
    const counted = {
      request: await count('request-confirmation', { token: 'bob@example.com' }),
      resend: await count('resend', { id }),
      confirmWrong: await count('confirm', { id, code: WRONG_CODE }),
      confirmRight: await count('confirm', { id, code: http.inbox.deliveries[0]!.code }),
    };
    await http.close();

    const { request, resend, confirmWrong, confirmRight } = COUNTS[engine];
    expect(counted).toEqual({ request, resend, confirmWrong, confirmRight });
  });

  it('are as many over the services for an unknown as for a purged confirmation', async () => {
    const { state } = await test.twoFactor.request({ token: 'bob@example.com' });
    test.clock.advance(700);
    await test.confirmer.purge({ olderThan: new Date(test.clock.now()) });
    const unknown = `${state.id.slice(0, 20)}${'0'.repeat(16)}`;
    const counts = async (id: string): Promise<number[]> => {
      const calls = [
        () => test.confirmer.confirm(id, '123456'),
        () => test.confirmer.use(id),
        () => test.confirmer.check(id),
        () => test.confirmer.cancel(id),
        () => test.twoFactor.resend(id).catch(() => undefined),
      ];
      const all: number[] = [];
      for (const call of calls) all.push((await test.log.during(call)).length);
      return all;
    };

    expect(await counts(state.id)).toEqual([1, 1, 1, 1, 1]);
    expect(await counts(unknown)).toEqual([1, 1, 1, 1, 1]);
  });
});
