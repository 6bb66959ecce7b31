// What an attacker makes of the methods: guesses in parallel, weaker methods, factors that were not there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, LimitService, type FactorService } from '../../lib/index.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import {
  confirmersInTurns,
  enrolApp,
  factorsOf,
  METHODS,
  TestAuthenticator,
} from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { ConfirmationRecord } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';

const LIMIT = 5;

describe.each(engines)('Attacks on factors on %s', (engine) => {
  let test: TestApp;
  let all: TestApp[];
  let factors: FactorService;

  beforeAll(async () => {
    const options = { limits: {}, methods: METHODS, databaseTimeoutMs: 60_000 };
    test = await startApp({ engine, options });
    all = [test];
    for (let count = engine === 'sqljs' ? 0 : 3; count > 0; count -= 1) {
      all.push(await startApp({ engine, database: test.database, options }));
    }
    factors = factorsOf(test);
    await installAttemptTrigger(test.dataSource);
  });
  afterAll(async () => {
    for (const each of all.toReversed()) await each.close();
  });

  const failuresOf = async (subject: string): Promise<number> => {
    const limits = test.app.get(LimitService, { strict: false });
    return (await limits.failures({ subject, method: 'totp' })).count;
  };

  it('compares five of 200 parallel guesses that alternate between the code and the app', async () => {
    const { subject, app } = await enrolApp(test, 'alternates');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'code'] });
    const confirmer = confirmersInTurns(all);
    const code = app.wrongCode();

    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const guess = index % 2 === 0 ? WRONG_CODE : ({ method: 'totp', code } as const);
        return (await confirmer().confirm(state.id, guess))[1];
      }),
    );

    expect(outcomes).not.toContain(true);
    expect(await loggedAttempts(test.dataSource, state.id)).toBe(LIMIT);
    const [after, done] = await test.confirmer.confirm(state.id, {
      method: 'totp',
      code: app.code(),
    });
    expect([after?.status, done]).toEqual(['locked', false]);
  });

  it('compares more than five of 200 parallel guesses in the naive twin', async () => {
    const { subject } = await enrolApp(test, 'naive-guesses');
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'code'] });
    const twin = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));

    await Promise.all(Array.from({ length: 200 }, () => twin.confirm(id, false)));

    expect(twin.comparisons).toBeGreaterThan(LIMIT);
  });

  it('locks the app of a subject after ten guesses on any confirmations, and no recovery code', async () => {
    const { subject, app, recoveryCodes } = await enrolApp(test, 'locks');
    const wrong = { method: 'totp', code: app.wrongCode() } as const;
    const make = async (): Promise<string> =>
      (await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'recovery'] })).id;
    for (const id of [await make(), await make()]) {
      for (let count = 0; count < LIMIT; count += 1) await test.confirmer.confirm(id, wrong);
    }
    const id = await make();

    await expect(test.confirmer.confirm(id, wrong)).rejects.toMatchObject({
      code: 'too-many-requests',
      limit: 'failures',
    });
    expect(await loggedAttempts(test.dataSource, id)).toBe(0);
    const byRecovery = { method: 'recovery', code: recoveryCodes[0]! } as const;
    expect((await test.confirmer.confirm(id, byRecovery))[1]).toBe(true);
    // The success of a method that cannot be guessed gives the guesser no new tries.
    expect(await failuresOf(subject)).toBe(10);
    await expect(test.confirmer.confirm(await make(), wrong)).rejects.toMatchObject({
      code: 'too-many-requests',
    });
    await test.app.get(LimitService, { strict: false }).reset({ subject, method: 'totp' });
    expect(await failuresOf(subject)).toBe(0);
  });

  it('lets the owner confirm by the app, and by a code, while anonymous guesses lock the phone number', async () => {
    const token = '+4915112345678';
    const { subject, app } = await enrolApp(test, 'owner-of-a-number');
    for (let round = 0; round < 2; round += 1) {
      const { id } = await test.confirmer.makeConfirmation({ purpose: 'sign-up', token });
      for (let count = 0; count < LIMIT; count += 1) await test.confirmer.confirm(id, WRONG_CODE);
    }
    await expect(
      test.confirmer.makeConfirmation({ purpose: 'sign-up', token }),
    ).rejects.toMatchObject({ code: 'too-many-requests', limit: 'failures' });

    const methods = ['totp', 'code'] as const;
    const byApp = await test.confirmer.makeConfirmation({ subject, token, methods });
    const byCode = await test.confirmer.makeConfirmation({ subject, token, methods });

    expect(await failuresOf(subject)).toBe(0);
    expect((await test.confirmer.confirm(byApp.id, { method: 'totp', code: app.code() }))[1]).toBe(
      true,
    );
    expect((await test.confirmer.confirm(byCode.id, byCode.code!))[1]).toBe(true);
  });

  it('ends the failures of the app by its right code, and not those of the codes', async () => {
    const { subject, app } = await enrolApp(test, 'resets');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'code'] });
    await test.confirmer.confirm(state.id, WRONG_CODE);
    await test.confirmer.confirm(state.id, { method: 'totp', code: app.wrongCode() });
    const limits = test.app.get(LimitService, { strict: false });
    expect(await failuresOf(subject)).toBe(1);

    await test.confirmer.confirm(state.id, { method: 'totp', code: app.code() });

    expect(await failuresOf(subject)).toBe(0);
    expect((await limits.failures({ subject })).count).toBe(1);
  });

  it('charges nothing for a recovery code that is wrong', async () => {
    const { subject } = await enrolApp(test, 'wrong-recovery');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });

    for (let count = 0; count < 20; count += 1) {
      const code = 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P';
      await test.confirmer.confirm(state.id, { method: 'recovery', code });
    }

    expect(await test.confirmer.check(state.id)).toMatchObject([
      { status: 'pending', attemptsLeft: LIMIT },
      false,
    ]);
  });

  it('refuses a method that the confirmation was not made with, and charges nothing', async () => {
    const { subject, app, recoveryCodes } = await enrolApp(test, 'not-on-the-row');
    const byCode = await test.confirmer.makeConfirmation({ subject });
    const byRecovery = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    const refused = { code: 'method-not-allowed' };

    for (const [id, response] of [
      [byCode.id, { method: 'totp', code: app.code() }],
      [byCode.id, { method: 'recovery', code: recoveryCodes[0]! }],
      [byRecovery.id, { method: 'totp', code: app.code() }],
      [byRecovery.id, '123456'],
    ] as const) {
      await expect(test.confirmer.confirm(id, response)).rejects.toMatchObject(refused);
    }
    await expect(test.sender.send('default', 'a@b.example', byRecovery)).rejects.toMatchObject(
      refused,
    );
    for (const id of [byCode.id, byRecovery.id]) {
      expect(await test.confirmer.check(id)).toMatchObject([{ attemptsLeft: LIMIT }, false]);
    }
  });

  it('never treats a confirmation without a code as confirmed from the start', async () => {
    const { id } = await test.confirmer.makeConfirmation({ subject: 'ann', methods: ['totp'] });

    expect(await test.confirmer.check(id, { subject: 'ann' })).toMatchObject([
      { isConfirmed: false, confirmedBy: null },
      false,
    ]);
    expect(await test.confirmer.use(id, { subject: 'ann' })).toBe(false);
    const key = 'sixteen-characters-1';
    const made = { subject: 'ann', idempotencyKey: key };
    await test.confirmer.makeConfirmation({ ...made, methods: ['totp'] });
    await expect(
      test.confirmer.makeConfirmation({ ...made, isConfirmed: true }),
    ).rejects.toMatchObject({ code: 'idempotency-key-reused' });
    await expect(
      test.confirmer.makeConfirmation({ ...made, methods: ['recovery'] }),
    ).rejects.toMatchObject({ code: 'idempotency-key-reused' });
  });

  it('refuses an app that was activated after the confirmation was made', async () => {
    const { id } = await test.confirmer.makeConfirmation({ subject: 'later', methods: ['totp'] });
    test.clock.advance(1);
    const { app } = await enrolApp(test, 'later');

    const [state, done] = await test.confirmer.confirm(id, { method: 'totp', code: app.code() });

    expect([state?.status, done]).toEqual(['pending', false]);
  });

  it('refuses an app that was removed while the confirmation was pending', async () => {
    const { subject, app, factorId } = await enrolApp(test, 'removed');
    const { id } = await test.confirmer.makeConfirmation({
      subject,
      methods: ['totp', 'recovery'],
    });
    await factors.remove({ subject, factor: factorId, allowLast: true });

    const [state, done] = await test.confirmer.confirm(id, { method: 'totp', code: app.code() });

    expect([state?.status, done]).toEqual(['pending', false]);
  });

  it('refuses the app and the recovery codes of another subject, also one spelled alike', async () => {
    const { app, recoveryCodes } = await enrolApp(test, 'alike');
    for (const subject of ['Alike', 'alike ', 'alıke']) {
      const methods = ['totp', 'recovery'] as const;
      const { id } = await test.confirmer.makeConfirmation({ subject, methods });

      for (const [method, code] of [
        ['totp', app.code()],
        ['recovery', recoveryCodes[0]!],
      ] as const) {
        expect((await test.confirmer.confirm(id, { method, code }))[1]).toBe(false);
      }
    }
    expect(await factors.list({ subject: 'alike' })).toMatchObject([{}, { left: 10 }]);
  });

  it('refuses a secret that was moved to another row of the database', async () => {
    const thief = await enrolApp(test, 'thief');
    const victim = await enrolApp(test, 'victim');
    const repository = test.dataSource.getRepository(FactorRecord);
    const { data } = await repository.findOneByOrFail({ id: thief.factorId });
    await repository.update({ id: victim.factorId }, { data });
    const { id } = await test.confirmer.makeConfirmation({ subject: 'victim', methods: ['totp'] });

    await expect(
      test.confirmer.confirm(id, { method: 'totp', code: thief.app.code() }),
    ).rejects.toMatchObject({ code: 'unknown-secret' });
    expect(await test.confirmer.check(id)).toMatchObject([{ status: 'pending' }, false]);
  });

  it('ends an enrolment that a thief began when the owner activates an app', async () => {
    const subject = 'owner';
    const begun = await factors.enrol({ subject, method: 'totp' });
    // As if it were of another method, so that the enrolment of the owner does not replace it.
    const repository = test.dataSource.getRepository(FactorRecord);
    await repository.update({ id: begun.factor.id }, { method: 'hidden' });
    const { app } = await enrolApp(test, subject);
    await repository.update({ id: begun.factor.id }, { method: 'totp' });
    const thief = new TestAuthenticator(begun.secret, test.clock);

    await expect(
      factors.activate({ subject, factor: begun.factor.id, response: thief.code() }),
    ).rejects.toMatchObject({ code: 'not-found' });
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    expect((await test.confirmer.confirm(id, { method: 'totp', code: app.code() }))[1]).toBe(true);
  });

  it('refuses the code that has activated an app', async () => {
    const subject = 'activation';
    const begun = await factors.enrol({ subject, method: 'totp' });
    const app = new TestAuthenticator(begun.secret, test.clock);
    const code = app.code();
    await factors.activate({ subject, factor: begun.factor.id, response: code });
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });

    expect((await test.confirmer.confirm(id, { method: 'totp', code }))[1]).toBe(false);
  });

  it('counts only what is asked for when a proof is used: a code is not an app', async () => {
    const { subject } = await enrolApp(test, 'weaker');
    const state = await test.confirmer.makeConfirmation({ subject, methods: ['totp', 'code'] });
    await test.confirmer.confirm(state.id, state.code!);
    const confirmedBy = ['totp', 'recovery'] as const;

    expect(await test.confirmer.check(state.id, { subject, confirmedBy })).toEqual([null, false]);
    expect(await test.confirmer.use(state.id, { subject, confirmedBy })).toBe(false);
    expect(await test.confirmer.use(state.id, { subject, confirmedBy: ['code'] })).toBe(true);
    const byHand = await test.confirmer.makeConfirmation({ subject, isConfirmed: true });
    expect(await test.confirmer.use(byHand.id, { subject, confirmedBy })).toBe(false);
    expect(await test.confirmer.use(byHand.id, { subject, confirmedBy: ['hand'] })).toBe(true);
  });

  it.each(['12345', '123456789', 'abcdef', '12345a', '', '1'.repeat(100_000)])(
    'refuses a text that cannot be the code of an app, and charges nothing: %#',
    async (code) => {
      const { id } = await test.confirmer.makeConfirmation({ subject: 'ann', methods: ['totp'] });

      await expect(test.confirmer.confirm(id, { method: 'totp', code })).rejects.toMatchObject({
        code: 'invalid-request',
      });
      expect(await test.confirmer.check(id)).toMatchObject([{ attemptsLeft: LIMIT }, false]);
    },
  );
});
