// The service of the factors: what it tells, what it refuses, and what a rotation of the secret means for it.
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  FactorService,
  TwoFactorEvents,
  type FactorEventBase,
  type TwoFactorEvent,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS, TestAuthenticator } from '../support/authenticator.js';
import { openDatabase } from '../support/engines.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { secretOf } from '../support/secret.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

/** 160 bits, and the 80 bits that otplib 12 draws. */
const LONG = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const SHORT = LONG.slice(0, 16);

const opened: TestApp[] = [];
afterEach(async () => {
  for (const test of opened.splice(0).toReversed()) await test.close();
});

async function start(options: TwoFactorModuleOptions, input: TestAppInput = {}): Promise<TestApp> {
  const test = await startApp({ ...input, options: { limits: {}, ...options } });
  opened.push(test);
  return test;
}

describe('FactorService', () => {
  it('refuses every call, and touches no table, when no methods are configured', async () => {
    const test = await start({});
    const factors = factorsOf(test);
    const refused = { code: 'invalid-configuration' };

    const statements = await test.log.during(async () => {
      await expect(factors.list({ subject: 'ann' })).rejects.toMatchObject(refused);
      await expect(factors.enrol({ subject: 'ann', method: 'totp' })).rejects.toMatchObject(
        refused,
      );
      await expect(factors.erase({ subject: 'ann' })).rejects.toMatchObject(refused);
      await expect(factors.reseal()).rejects.toMatchObject(refused);
      await expect(
        test.confirmer.makeConfirmation({ subject: 'ann', methods: ['totp'] }),
      ).rejects.toMatchObject({ code: 'invalid-request' });
      // Never a code instead of the app that was asked for.
      await expect(
        test.twoFactor.request({ token: 'ann@example.com', subject: 'ann', method: 'totp' }),
      ).rejects.toMatchObject({ code: 'method-not-allowed' });
    });

    expect(statements).toEqual([]);
  });

  it('is never queried where no methods are configured: no statement names its table', async () => {
    const test = await start({});
    const statements = await test.log.during(async () => {
      const { state } = await test.twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
      await test.confirmer.confirm(state.id, state.code!);
      await test.confirmer.use(state.id, { subject: 'ann' });
      await test.confirmer.erase({ subject: 'ann' });
      await test.confirmer.purge();
    });

    expect(statements.length).toBeGreaterThan(5);
    expect(statements.filter(({ sql }) => sql.includes('two_factor_factor'))).toEqual([]);
  });

  it('emits an event without a secret for every change and for a used recovery code', async () => {
    const test = await start({ methods: METHODS });
    const events: TwoFactorEvent[] = [];
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
    const { subject, factorId, recoveryCodes, app } = await enrolApp(test, 'ann');
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    await test.confirmer.confirm(id, { method: 'recovery', code: recoveryCodes[0]! });
    await factorsOf(test).regenerateRecoveryCodes({ subject });
    await factorsOf(test).remove({ subject, factor: factorId, allowLast: true });

    const told = events.map((event) => [event.type, (event as FactorEventBase).method]);
    expect(told).toEqual([
      ['factor-enrolled', 'totp'],
      ['factor-activated', 'totp'],
      ['recovery-codes-regenerated', 'recovery'],
      ['created', undefined],
      ['recovery-code-used', 'recovery'],
      ['confirmed', undefined],
      ['recovery-codes-regenerated', 'recovery'],
      ['factor-removed', 'totp'],
      ['factor-removed', 'recovery'],
    ]);
    expect(events[4]).toMatchObject({ left: 9, subject });
    expect(events[5]).toMatchObject({ by: 'recovery', factor: expect.any(String) });
    const text = JSON.stringify(events);
    for (const secret of [app.secret, ...recoveryCodes]) expect(text).not.toContain(secret);
  });

  it('emits the event of a change after the commit of its transaction, and none when it is rolled back', async () => {
    const test = await start({ methods: METHODS });
    const factors = factorsOf(test);
    const types: string[] = [];
    test.app.get(TwoFactorEvents, { strict: false }).subscribe(({ type }) => types.push(type));
    const enrol = (end: () => void): Promise<void> =>
      test.dataSource.transaction(async (manager) => {
        await factors.enrol({ subject: 'ann', method: 'totp', manager });
        expect(types).toEqual([]);
        end();
      });

    await expect(
      enrol(() => {
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(types).toEqual([]);
    await enrol(() => undefined);
    expect(types).toEqual(['factor-enrolled']);
  });

  it('names in the log each factor that reseal leaves because it cannot be opened', async () => {
    const database = await openDatabase('better-sqlite3');
    const first = await start({ methods: METHODS }, { database });
    const { factorId } = await enrolApp(first, 'ann');
    await factorsOf(first).enrol({ subject: 'bob', method: 'totp' });
    const secret = secretOf('another one');
    const alone = await start({ methods: METHODS, secret }, { database });
    const logged = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);

    const { left } = await factorsOf(alone).reseal();
    const lines = logged.mock.calls.map(([line]) => String(line));
    logged.mockRestore();

    // The app, its recovery codes, and the enrolment, which may be activated until it ends and is not opened.
    expect(Object.values(left)).toEqual([12]);
    expect(lines).toHaveLength(11);
    expect(lines.filter((line) => line.startsWith(`The factor ${factorId} `))).toHaveLength(1);
  });

  it('encrypts the data of all factors again after a rotation, and counts those that a removed secret leaves unreadable', async () => {
    const [old, next] = [secretOf('the old one'), secretOf('the next one')];
    const database = await openDatabase('better-sqlite3');
    const methods = METHODS;
    const first = await start({ methods, secret: old }, { database });
    const { subject, app } = await enrolApp(first, 'ann');
    const both = await start({ methods, secret: undefined, secrets: [next, old] }, { database });
    const alone = await start({ methods, secret: next }, { database });
    const confirm = async (test: TestApp): Promise<boolean> => {
      first.clock.advance(30);
      test.clock.advance((first.clock.now() - test.clock.now()) / 1_000);
      const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
      return (await test.confirmer.confirm(id, { method: 'totp', code: app.code() }))[1];
    };

    expect(await confirm(both)).toBe(true);
    await expect(confirm(alone)).rejects.toMatchObject({ code: 'unknown-secret' });
    const { resealed, left } = await factorsOf(alone).reseal();
    // The app and its recovery codes.
    expect([resealed, Object.values(left)]).toEqual([0, [11]]);
    expect(await factorsOf(both).reseal()).toEqual({ resealed: 11, left: {}, isComplete: true });
    expect(await factorsOf(both).reseal()).toEqual({ resealed: 0, left: {}, isComplete: true });
    expect(await confirm(alone)).toBe(true);
    // A pending enrolment is left to its activation, and is nothing to wait for when it has ended.
    await factorsOf(first).enrol({ subject: 'bob', method: 'totp' });
    const pending = await factorsOf(both).reseal();
    expect([pending.resealed, Object.values(pending.left)]).toEqual([0, [1]]);
    both.clock.advance(1_800);
    expect(await factorsOf(both).reseal()).toEqual({ resealed: 0, left: {}, isComplete: true });
    for (const test of opened.splice(0).toReversed()) await test.close();
    await database.drop();
  });

  it('keeps subjects and labels that are not ASCII', async () => {
    const test = await start({ methods: METHODS });
    const factors: FactorService = factorsOf(test);
    const { factorId, app } = await enrolApp(test, 'Zoë 🦊');
    await factors.rename({ subject: 'Zoë 🦊', factor: factorId, label: 'Téléphone 📱' });
    const { id } = await test.confirmer.makeConfirmation({ subject: 'Zoë 🦊', methods: ['totp'] });

    expect((await test.confirmer.confirm(id, { method: 'totp', code: app.code() }))[1]).toBe(true);
    expect(await factors.list({ subject: 'Zoë 🦊' })).toMatchObject([
      { label: 'Téléphone 📱' },
      { left: 10 },
    ]);
    const rows: { subject: string; label: string }[] = await test.dataSource.query(
      'SELECT subject, label FROM two_factor_factor',
    );
    for (const row of rows) expect(JSON.stringify(row)).toMatch(/^[\u0020-\u007e]*$/);
  });

  it('shows the beginning of a long subject, and no half of a character at its end', async () => {
    const test = await start({ methods: PASSKEY_METHODS });
    const begins = 'x'.repeat(63);
    const subject = `${begins}🦊 and more`;

    const { uri } = await factorsOf(test).enrol({ subject, method: 'totp' });
    const { options } = await factorsOf(test).enrol({ subject, method: 'passkey' });

    expect(uri).toContain(`:${begins}?`);
    expect(options.user.name).toBe(begins);
  });

  it.each([
    [{ subject: '', method: 'totp' }],
    [{ subject: 'ann', method: 'sms' }],
    [{ subject: 'ann', method: 'recovery' }],
    [{ subject: 'ann', method: 'totp', label: 'x'.repeat(65) }],
    [{ subject: 'ann', method: 'totp', label: 'a\nb' }],
    [{ subject: 'ann', method: 'totp', account: 5 }],
    [{ subject: 'ann', method: 'totp', acount: 'misspelt' }],
    [null],
  ])('refuses to enrol %o', async (input) => {
    const test = await start({ methods: METHODS });

    await expect(factorsOf(test).enrol(input as never)).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it.each([
    [{ secret: SHORT.slice(0, 8), allowShortSecrets: true }],
    [{ secret: SHORT }],
    [{ secret: SHORT, allowShortSecrets: false }],
    [{ secret: SHORT, allowShortSecrets: 'yes' }],
    [{ secret: LONG.slice(0, 22) }],
    [{ secret: 'not base32!' }],
    [{ secret: LONG, digits: 5 }],
    [{ secret: LONG, period: 10 }],
    [{ secret: LONG, algorithm: 'MD5' }],
  ])('refuses to import %o', async (input) => {
    const test = await start({ methods: METHODS });

    await expect(
      factorsOf(test).import({ subject: 'ann', method: 'totp', ...input } as never),
    ).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('imports a secret of 112 bits, and a shorter one where the caller says so', async () => {
    const test = await start({ methods: METHODS });
    const factors = factorsOf(test);

    for (const [subject, secret, allowShortSecrets] of [
      ['long', LONG.slice(0, 23), false],
      ['short', SHORT, true],
    ] as const) {
      await factors.import({ subject, method: 'totp', secret, allowShortSecrets });
      const app = new TestAuthenticator(secret, test.clock);
      const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
      expect((await test.confirmer.confirm(id, { method: 'totp', code: app.code() }))[1]).toBe(
        true,
      );
    }
    await expect(factors.import({ subject: 'ann', method: 'totp', secret: SHORT })).rejects.toThrow(
      'The secret of an app has 14 bytes (112 bits) or more. Import one of 10 to 13 bytes with allowShortSecrets: true, and ask ' +
        'the person to enrol again.',
    );
  });
});
