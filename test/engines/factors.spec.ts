import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { FactorRecord, LimitService, type FactorService } from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS, TestAuthenticator } from '../support/authenticator.js';
import { dumpOf } from '../support/dump.js';
import { engines } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

const METHODS_OF_LOGIN = ['totp', 'code', 'recovery'] as const;

describe.each(engines)('Factors on %s', (engine) => {
  let test: TestApp;
  let factors: FactorService;

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {}, methods: METHODS } });
    factors = factorsOf(test);
  });
  afterAll(() => test.close());

  it('confirms by an app when the confirmation was made with it', async () => {
    const { subject, app, factorId } = await enrolApp(test, 'confirms-by-app');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'recovery'] });

    expect(state).toMatchObject({ methods: ['totp', 'recovery'], confirmedBy: null, code: null });
    const [wrong, isWrongAccepted] = await test.confirmer.confirm(state.id, {
      method: 'totp',
      code: app.wrongCode(),
    });
    expect([wrong?.attemptsLeft, isWrongAccepted]).toEqual([4, false]);
    const [confirmed, done] = await test.confirmer.confirm(state.id, {
      method: 'totp',
      code: app.code(),
    });

    expect(done).toBe(true);
    expect(confirmed).toMatchObject({ status: 'confirmed', confirmedBy: 'totp', attemptsLeft: 3 });
    expect(await factors.list({ subject })).toMatchObject([
      { id: factorId, method: 'totp', lastUsedAt: new Date(test.clock.now()) },
      { id: 'recovery', method: 'recovery', left: 10 },
    ]);
    expect(await test.confirmer.use(state.id, { subject, confirmedBy: ['recovery'] })).toBe(false);
    expect(await test.confirmer.use(state.id, { subject, confirmedBy: ['totp'] })).toBe(true);
  });

  it('confirms by a recovery code once, in the spelling of a person', async () => {
    const { subject, recoveryCodes } = await enrolApp(test, 'recovers');
    const [code, other] = recoveryCodes;
    const typed = code!
      .toLowerCase()
      .replaceAll('-', ' ')
      .replaceAll('1', 'l')
      .replaceAll('0', 'o');
    const first = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    const second = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });

    const [state, done] = await test.confirmer.confirm(first.id, {
      method: 'recovery',
      code: typed,
    });
    const [again, isAccepted] = await test.confirmer.confirm(second.id, {
      method: 'recovery',
      code: code!,
    });

    expect(recoveryCodes).toHaveLength(10);
    expect([state?.confirmedBy, done]).toEqual(['recovery', true]);
    expect([again?.status, again?.attemptsLeft, isAccepted]).toEqual(['pending', 5, false]);
    expect(await factors.list({ subject })).toMatchObject([{ method: 'totp' }, { left: 9 }]);
    const [, byOther] = await test.confirmer.confirm(second.id, {
      method: 'recovery',
      code: other!,
    });
    expect(byOther).toBe(true);
  });

  it('stores a hash of each recovery code, and no code', async () => {
    const { subject, recoveryCodes } = await enrolApp(test, 'hashed');

    const stored = JSON.stringify(await dumpOf(test.dataSource));
    const rows = await test.dataSource
      .getRepository(FactorRecord)
      .findBy({ subject, method: 'recovery' });

    expect(rows.map(({ handle }) => handle)).toEqual(
      Array.from({ length: 10 }, () => expect.stringMatching(/^[0-9a-f]{64}$/) as string),
    );
    for (const code of recoveryCodes) {
      for (const spelling of [code, code.replaceAll('-', ''), code.toLowerCase()]) {
        expect(stored).not.toContain(spelling);
      }
    }
  });

  it('still confirms by the sent code when other methods are allowed too', async () => {
    const { subject } = await enrolApp(test, 'prefers-code');
    const state = await test.confirmer.makeConfirmation({ subject, methods: METHODS_OF_LOGIN });

    const [confirmed, done] = await test.confirmer.confirm(state.id, state.code!);

    expect([confirmed?.confirmedBy, done]).toEqual(['code', true]);
  });

  it('confirms by the right code of the app on the last attempt', async () => {
    const { subject, app } = await enrolApp(test, 'last-attempt');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    const wrong = { method: 'totp', code: app.wrongCode() } as const;
    for (let count = 0; count < 4; count += 1) await test.confirmer.confirm(state.id, wrong);

    expect((await test.confirmer.confirm(state.id, { method: 'totp', code: app.code() }))[1]).toBe(
      true,
    );
  });

  it('refuses a recovery code when the attempts are spent', async () => {
    const { subject, app, recoveryCodes } = await enrolApp(test, 'spent-attempts');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'recovery'] });
    const wrong = { method: 'totp', code: app.wrongCode() } as const;
    for (let count = 0; count < 5; count += 1) await test.confirmer.confirm(state.id, wrong);

    const [locked, done] = await test.confirmer.confirm(state.id, {
      method: 'recovery',
      code: recoveryCodes[0]!,
    });

    expect([locked?.status, done]).toEqual(['locked', false]);
    expect(await factors.list({ subject })).toMatchObject([{}, { left: 10 }]);
  });

  it('accepts a time step once, the one before and the one after, and no other', async () => {
    const { subject, app } = await enrolApp(test, 'steps');
    const confirm = async (code: string): Promise<boolean> => {
      const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
      return (await test.confirmer.confirm(state.id, { method: 'totp', code }))[1];
    };
    test.clock.advance(300);

    expect(await confirm(app.code(-2))).toBe(false);
    expect(await confirm(app.code(2))).toBe(false);
    expect(await confirm(app.code(-1))).toBe(true);
    expect(await confirm(app.code(-1))).toBe(false);
    expect(await confirm(app.code(1))).toBe(true);
    // Not the current one any more: a later one was accepted.
    expect(await confirm(app.code(0))).toBe(false);
  });

  it('answers and charges a subject without an app as one with a wrong code', async () => {
    const state = await test.confirmer.makeConfirmation({ subject: 'no-app', methods: ['totp'] });

    const [after, done] = await test.confirmer.confirm(state.id, {
      method: 'totp',
      code: '123456',
    });

    expect([after?.attemptsLeft, after?.status, done]).toEqual([4, 'pending', false]);
  });

  it('ends an enrolment after 15 minutes, and deletes it with a purge', async () => {
    const subject = 'late';
    const begun = await factors.enrol({ subject, method: 'totp' });
    const app = new TestAuthenticator(begun.secret, test.clock);
    const input = { subject, factor: begun.factor.id };

    expect(await factors.activate({ ...input, response: app.wrongCode() })).toBeNull();
    test.clock.advance(901);
    await expect(factors.activate({ ...input, response: app.code() })).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(await factors.list({ subject })).toEqual([]);
    const count = async (): Promise<number> => {
      const rows: { id: string }[] = await test.dataSource.query(
        `SELECT id FROM two_factor_factor WHERE subject = '${subject}' AND method = 'totp'`,
      );
      return rows.length;
    };
    expect(await count()).toBe(1);
    await test.confirmer.purge();
    expect(await count()).toBe(0);
  });

  it('keeps active factors when it purges', async () => {
    const { subject } = await enrolApp(test, 'kept');
    test.clock.advance(90_000);

    await test.confirmer.purge();

    expect(await factors.list({ subject })).toMatchObject([{ method: 'totp' }, { left: 10 }]);
  });

  it('refuses to remove the last app, and removes the recovery codes with it when that is allowed', async () => {
    const { subject, factorId } = await enrolApp(test, 'removes');

    await expect(factors.remove({ subject, factor: factorId })).rejects.toMatchObject({
      code: 'last-factor',
    });
    expect(await factors.list({ subject })).toHaveLength(2);
    expect(await factors.remove({ subject, factor: factorId, allowLast: true })).toBe(true);
    expect(await factors.list({ subject })).toEqual([]);
    expect(await factors.remove({ subject, factor: factorId, allowLast: true })).toBe(false);
    await expect(factors.regenerateRecoveryCodes({ subject })).rejects.toMatchObject({
      code: 'no-factor',
    });
  });

  it('replaces the app when another one is activated, and keeps the recovery codes', async () => {
    const first = await enrolApp(test, 'replaces');
    const second = await enrolApp(test, 'replaces');

    expect(second.recoveryCodes).toEqual([]);
    expect(await factors.list({ subject: 'replaces' })).toMatchObject([
      { id: second.factorId },
      { left: 10 },
    ]);
    const state = await test.confirmer.makeConfirmation({ subject: 'replaces', methods: ['totp'] });
    const codes = [first.app.code(), second.app.code()];
    const confirm = async (code: string): Promise<boolean> =>
      (await test.confirmer.confirm(state.id, { method: 'totp', code }))[1];
    expect([await confirm(codes[0]!), await confirm(codes[1]!)]).toEqual([false, true]);
  });

  it('replaces the recovery codes when they are regenerated', async () => {
    const { subject, recoveryCodes } = await enrolApp(test, 'regenerates');
    const made = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    test.clock.advance(1);

    const fresh = await factors.regenerateRecoveryCodes({ subject });

    expect(new Set([...fresh, ...recoveryCodes]).size).toBe(20);
    const confirm = async (id: string, code: string): Promise<boolean> =>
      (await test.confirmer.confirm(id, { method: 'recovery', code }))[1];
    expect(await confirm(made.id, recoveryCodes[0]!)).toBe(false);
    // The confirmation was made for the codes that there were.
    expect(await confirm(made.id, fresh[0]!)).toBe(false);
    const next = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    expect(await confirm(next.id, fresh[0]!)).toBe(true);
  });

  it('renames a factor of the subject, and none of another', async () => {
    const { factorId } = await enrolApp(test, 'renames');
    const label = "Ann's phone";

    expect(await factors.rename({ subject: 'renames', factor: factorId, label })).toBe(true);
    expect(await factors.rename({ subject: 'renames', factor: factorId, label })).toBe(true);
    expect(await factors.rename({ subject: 'Renames', factor: factorId, label: 'x' })).toBe(false);
    expect(await factors.list({ subject: 'renames' })).toMatchObject([{ label }, {}]);
  });

  it('imports an app of another library', async () => {
    const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
    const factor = await factors.import({ subject: 'imports', method: 'totp', secret });
    const app = new TestAuthenticator(secret, test.clock);
    const state = await test.confirmer.makeConfirmation({ subject: 'imports', methods: ['totp'] });

    const [, done] = await test.confirmer.confirm(state.id, { method: 'totp', code: app.code() });

    expect(done).toBe(true);
    expect(await factors.list({ subject: 'imports' })).toMatchObject([{ id: factor.id }]);
  });

  it('erases the factors of a subject with its confirmations, and none of another', async () => {
    await enrolApp(test, 'erases');
    await enrolApp(test, 'Erases');
    await test.confirmer.makeConfirmation({ subject: 'erases', methods: ['totp'] });

    expect(await test.confirmer.erase({ subject: 'erases' })).toBe(1);
    expect(await factors.list({ subject: 'erases' })).toEqual([]);
    expect(await factors.erase({ subject: 'Erases' })).toBe(11);
    expect(await factors.list({ subject: 'Erases' })).toEqual([]);
  });

  it('changes factors in the transaction of the caller, and not when that is rolled back', async () => {
    const { subject, factorId } = await enrolApp(test, 'transactional');

    await test.dataSource
      .transaction(async (manager) => {
        await factors.remove({ subject, factor: factorId, allowLast: true, manager });
        throw new Error('rolled back');
      })
      .catch(() => undefined);

    expect(await factors.list({ subject })).toHaveLength(2);
    await test.dataSource.transaction(async (manager) => {
      await factors.remove({ subject, factor: factorId, allowLast: true, manager });
    });
    expect(await factors.list({ subject })).toEqual([]);
  });

  it('ends the failures of an app after the commit of its activation, and not when that is rolled back', async () => {
    const { subject, app } = await enrolApp(test, 'failures');
    const limits = test.app.get(LimitService, { strict: false });
    const failures = async (): Promise<number> =>
      (await limits.failures({ subject, method: 'totp' })).count;
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    const wrong = { method: 'totp', code: app.wrongCode() } as const;
    for (let count = 0; count < 3; count += 1) await test.confirmer.confirm(id, wrong);
    expect(await failures()).toBe(3);
    const { factor, secret } = await factors.enrol({ subject, method: 'totp' });
    const response = new TestAuthenticator(secret, test.clock).code();
    /** The statements about limits that the activation waits for, in the transaction of the caller. */
    const activate = (isRolledBack: boolean): Promise<number> =>
      test.dataSource.transaction(async (manager) => {
        const statements = await test.log.during(() =>
          factors.activate({ subject, factor: factor.id, response, manager }),
        );
        if (isRolledBack) throw new Error('rolled back');
        return statements.filter(({ sql }) => sql.includes('two_factor_limit')).length;
      });

    await expect(activate(true)).rejects.toThrow('rolled back');
    expect(await failures()).toBe(3);

    expect(await activate(false)).toBe(0);
    await vi.waitFor(async () => expect(await failures()).toBe(0), { timeout: 60_000 });
    expect(await factors.list({ subject })).toMatchObject([
      { id: factor.id },
      { method: 'recovery' },
    ]);
  });
});

describe.each(engines.filter((name) => name !== 'sqljs'))('A table of factors on %s', (engine) => {
  it('keeps the factors of two applications apart', async () => {
    const options = { limits: {}, methods: METHODS };
    const test = await startApp({ engine, options });
    const other = await startApp({
      engine,
      database: test.database,
      options: { ...options, application: 'other' },
    });
    const { subject } = await enrolApp(test, 'shared');

    expect(await factorsOf(other).list({ subject })).toEqual([]);
    await factorsOf(other).erase({ subject });
    expect(await factorsOf(test).list({ subject })).toHaveLength(2);
    await other.close();
    await test.close();
  });
});
