import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

describe.each(engines)('Statements on %s', (engine) => {
  const confirmStatements = engine === 'mariadb' ? 2 : 1;
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine });
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

  it('charges a wrong code in as many', async () => {
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
      test.confirmer.use(keyed, { key: 'sixteen-characters' }),
    );

    expect([used, refused, usedByKey].map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(used[0]?.sql.slice(0, 6)).toBe('UPDATE');
  });

  it('requests in two (make, bind), one more where an update answers no row', async () => {
    const statements = await test.log.during(() =>
      test.twoFactor.request({ token: 'a@b.example' }),
    );

    expect(statements).toHaveLength(engine === 'mariadb' ? 3 : 2);
  });

  it('never says a code to the database', async () => {
    const { state } = await test.twoFactor.request({ token: 'ann@example.com' });
    const code = state.code!;

    const statements = await test.log.during(() => test.confirmer.confirm(state.id, code));

    expect(JSON.stringify(statements)).not.toContain(code);
    expect(JSON.stringify(statements)).not.toContain('ann@example.com');
  });

  it('names its columns, so that a column that is added later breaks no prepared statement', async () => {
    const state = await test.confirmer.makeConfirmation();
    await test.dataSource.query('ALTER TABLE two_factor_confirmation ADD COLUMN added_later int');

    const [, confirmed] = await test.confirmer.confirm(state.id, state.code!);

    expect(confirmed).toBe(true);
  });
});
