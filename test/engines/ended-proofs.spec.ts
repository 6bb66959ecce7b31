// What a person or a help desk takes away pays for nothing afterwards: the proofs that it confirmed end with it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ProofReservation } from '../../lib/confirmation/use/proof-reservation.js';
import {
  ConfirmationRecord,
  FactorRecord,
  TwoFactorEvents,
  type MethodName,
  type MethodResponse,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { enrolApp, factorsOf, TestAuthenticator } from '../support/authenticator.js';
import { rememberDevice } from '../support/devices.js';
import { engines, mysqlServers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** A person with one factor of each kind, and how each of them confirms. */
interface Owner {
  readonly subject: string;
  readonly appId: string;
  readonly passkeyId: string;
  readonly proofBy: (method: MethodName) => Promise<string>;
}

describe.each(engines)('Unused proofs of a factor that has ended, on %s', (engine) => {
  let test: TestApp;
  let owners = 0;

  beforeAll(async () => {
    test = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: {} } });
  });
  afterAll(() => test?.close());

  async function owner(): Promise<Owner> {
    const subject = `owner-${(owners += 1)}`;
    const { app, factorId: appId, recoveryCodes } = await enrolApp(test, subject);
    const { authenticator, factorId: passkeyId } = await enrolPasskey(test, subject);
    const { token } = await rememberDevice(test, subject);
    const left = [...recoveryCodes];
    const respond = async (id: string, method: MethodName): Promise<MethodResponse | string> => {
      if (method === 'totp') return { method, code: app.code() };
      if (method === 'recovery') return { method, code: left.pop()! };
      if (method === 'device') return { method, token };
      const options = await test.confirmer.challenge(id, { method: 'passkey' });
      return { method: 'passkey', response: authenticator.get(options) };
    };
    const proofBy = async (method: MethodName): Promise<string> => {
      const state = await test.confirmer.makeConfirmation({ subject, methods: [method] });
      const response = method === 'code' ? state.code! : await respond(state.id, method);
      const [, isConfirmed] = await test.confirmer.confirm(state.id, response);
      if (!isConfirmed) throw new Error(`It was not confirmed by ${method}.`);
      if (method === 'totp') test.clock.advance(30);
      return state.id;
    };
    return { subject, appId, passkeyId, proofBy };
  }

  const rowOf = (id: string): Promise<ConfirmationRecord> =>
    test.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });

  /** Whether the proof pays: all calls by which an application asks for it agree. */
  async function pays(id: string, subject: string): Promise<boolean> {
    const { confirmedBy } = await rowOf(id);
    const expected = { subject, confirmedBy: [confirmedBy as MethodName] };
    const answers = [
      (await test.confirmer.check(id))[1],
      (await test.confirmer.check(id, expected))[1],
    ];
    const reserved = await test.confirmer.reserve(id, { subject });
    answers.push(reserved instanceof ProofReservation);
    if (reserved instanceof ProofReservation) await reserved.release();
    const [byMethod] = [await test.confirmer.use(id, expected)];
    answers.push(byMethod, byMethod || (await test.confirmer.use(id, { subject })));
    expect(new Set(answers).size).toBe(1);
    return byMethod;
  }

  const factors = (): ReturnType<typeof factorsOf> => factorsOf(test);

  const ends: readonly [string, readonly MethodName[], (given: Owner) => Promise<unknown>][] = [
    ['its removal', ['totp'], ({ subject, appId }) => factors().remove({ subject, factor: appId })],
    [
      'its removal',
      ['passkey'],
      ({ subject, passkeyId }) => factors().remove({ subject, factor: passkeyId }),
    ],
    [
      'the removal of the recovery codes',
      ['recovery'],
      ({ subject }) => factors().remove({ subject, factor: 'recovery' }),
    ],
    [
      'new recovery codes',
      ['recovery'],
      ({ subject }) => factors().regenerateRecoveryCodes({ subject }),
    ],
    ['an app that replaces it', ['totp'], replaceApp],
    [
      'an imported app that replaces it',
      ['totp'],
      ({ subject }) =>
        factors().import({ subject, method: 'totp', secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' }),
    ],
    ['forgotten devices', ['device'], ({ subject }) => factors().forgetDevices({ subject })],
    [
      'the removal of the last authenticator',
      ['totp', 'recovery', 'device'],
      async ({ subject, appId, passkeyId }) => {
        await factors().remove({ subject, factor: passkeyId });
        await factors().remove({ subject, factor: appId, allowLast: true });
      },
    ],
    [
      'a reset by the help desk',
      ['totp', 'passkey', 'recovery', 'device'],
      ({ subject }) => factors().erase({ subject }),
    ],
  ];

  async function replaceApp({ subject }: Owner): Promise<void> {
    const { factor, secret } = await factors().enrol({ subject, method: 'totp' });
    const response = new TestAuthenticator(secret, test.clock).code();
    expect(await factors().activate({ subject, factor: factor.id, response })).not.toBeNull();
  }

  it.each(ends)('end with %s (%j), and no other proof does', async (_, methods, end) => {
    const [given, stranger] = [await owner(), await owner()];
    const { subject } = given;
    const ended = await Promise.all(methods.map((method) => given.proofBy(method)));
    const strangers = await Promise.all(methods.map((method) => stranger.proofBy(method)));
    const others: string[] = [await given.proofBy('code')];
    // Each of these ends keeps what the person has beside it, but for the last two, which take all.
    if (methods.length === 1) {
      const kept = (['totp', 'passkey', 'device'] as const).filter((each) => each !== methods[0]);
      for (const method of kept) others.push(await given.proofBy(method));
    }
    const before = await Promise.all(ended.map(rowOf));

    await end(given);

    const [state] = await test.confirmer.check(ended[0]!);
    expect(state?.status).toBe('cancelled');
    for (const id of ended) expect(await pays(id, subject)).toBe(false);
    expect(await Promise.all(ended.map(rowOf))).toEqual(before);
    for (const id of others) expect(await pays(id, subject)).toBe(true);
    for (const id of strangers) expect(await pays(id, stranger.subject)).toBe(true);
  });

  it('end with the removal of recovery codes of which none is left, which is reported once', async () => {
    const { subject, proofBy } = await owner();
    for (let code = 0; code < 9; code += 1) await proofBy('recovery');
    const last = await proofBy('recovery');
    const { factor: pending } = await factors().enrol({ subject, method: 'totp' });
    const events: TwoFactorEvent[] = [];
    const subscription = test.app
      .get(TwoFactorEvents, { strict: false })
      .subscribe((event) => events.push(event));

    expect(await factors().remove({ subject, factor: 'recovery' })).toBe(true);
    expect(await factors().remove({ subject, factor: 'recovery' })).toBe(false);
    subscription.unsubscribe();

    expect(events).toMatchObject([
      { type: 'factor-removed', subject, method: 'recovery', factor: 'recovery' },
    ]);
    expect(await pays(last, subject)).toBe(false);
    const activation = factors().activate({ subject, factor: pending.id, response: '123456' });
    await expect(activation).rejects.toMatchObject({ code: 'not-found' });
  });

  it('pay by the last recovery code, and by a code of the set that replaced another', async () => {
    const { subject, proofBy } = await owner();
    for (let code = 0; code < 9; code += 1) await proofBy('recovery');
    expect(await pays(await proofBy('recovery'), subject)).toBe(true);

    const [code] = await factors().regenerateRecoveryCodes({ subject });
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['recovery'] });
    await test.confirmer.confirm(id, { method: 'recovery', code: code! });
    expect(await pays(id, subject)).toBe(true);
  });

  it('pay after a removal that was rolled back', async () => {
    const { subject, appId, proofBy } = await owner();
    const id = await proofBy('totp');
    const removal = test.dataSource.transaction(async (manager) => {
      await factors().remove({ subject, factor: appId, manager });
      throw new Error('rolled back');
    });

    await expect(removal).rejects.toThrow('rolled back');
    expect(await pays(id, subject)).toBe(true);
  });

  it('pay for the removal of what confirmed them when they are used before it', async () => {
    const { subject, appId, proofBy } = await owner();
    const id = await proofBy('totp');
    const [isUsed, isRemoved] = await test.dataSource.transaction(async (manager) => [
      await test.confirmer.use(id, { subject, manager }),
      await factors().remove({ subject, factor: appId, manager }),
    ]);

    expect([isUsed, isRemoved]).toEqual([true, true]);
    expect((await rowOf(id)).usedAt).not.toBeNull();
  });

  it('pay for nothing after the removal of what confirmed them in the same transaction', async () => {
    const { subject, appId, proofBy } = await owner();
    const id = await proofBy('totp');
    const removal = test.dataSource.transaction(async (manager) => {
      await factors().remove({ subject, factor: appId, manager });
      if (!(await test.confirmer.use(id, { subject, manager }))) throw new Error('refused');
    });

    await expect(removal).rejects.toThrow('refused');
    // Undone as a whole: the app is there, and its proof pays for another attempt.
    expect(await pays(id, subject)).toBe(true);
  });

  it.each([
    ['before', true],
    ['after', false],
  ])('of an administrator pay for a reset %s which they are used', async (_, isFirst) => {
    const [admin, lost] = [await owner(), await owner()];
    const id = await admin.proofBy('totp');
    const stolen = await lost.proofBy('totp');
    const isUsed = await test.dataSource.transaction(async (manager) => {
      const use = (): Promise<boolean> =>
        test.confirmer.use(id, { subject: admin.subject, manager });
      const used = isFirst && (await use());
      await factors().erase({ subject: lost.subject, manager });
      return used || use();
    });

    expect(isUsed).toBe(true);
    expect(await pays(stolen, lost.subject)).toBe(false);
  });

  it('stay those of the call that reserved them before the removal, which they may pay for', async () => {
    const { subject, appId, proofBy } = await owner();
    const [kept, failed] = [await proofBy('totp'), await proofBy('totp')];
    const [keeping, failing] = [
      await test.confirmer.reserve(kept, { subject }),
      await test.confirmer.reserve(failed, { subject }),
    ] as [ProofReservation, ProofReservation];
    await factors().remove({ subject, factor: appId });

    await keeping.use(undefined);
    expect(await rowOf(kept)).toMatchObject({ useKey: null });
    expect((await rowOf(kept)).usedAt).not.toBeNull();
    // What a failed call gives back is the proof of an app that is gone.
    await failing.release();
    expect((await rowOf(failed)).usedAt).toBeNull();
    expect(await pays(failed, subject)).toBe(false);
  });

  it('end one by one when their uses run together', async () => {
    const given = await Promise.all(Array.from({ length: 12 }, owner));
    const proofs = await Promise.all(given.map(({ proofBy }) => proofBy('passkey')));
    const isRemoved = (index: number): boolean => index % 3 === 0;
    for (const [index, { subject, passkeyId }] of given.entries()) {
      if (isRemoved(index)) await factors().remove({ subject, factor: passkeyId });
    }

    const [checks, uses] = [
      await Promise.all(proofs.map((id) => test.confirmer.check(id))),
      await Promise.all(
        proofs.map((id, at) => test.confirmer.use(id, { subject: given[at]!.subject })),
      ),
    ];

    const expected = given.map((_, index) => !isRemoved(index));
    expect(checks.map(([, isProof]) => isProof)).toEqual(expected);
    expect(uses).toEqual(expected);
  });

  it('say in the reason of a refusal that the factor is gone', async () => {
    const { subject, appId, proofBy } = await owner();
    const id = await proofBy('totp');
    await factors().remove({ subject, factor: appId });

    expect(await test.confirmer.redeem(id, { subject })).toMatchObject({
      isUsed: false,
      reason: expect.stringContaining('"totp", which was removed or replaced since'),
    });
  });

  it('are expired, and not removed, when a purge has deleted the used code after the end of their use', async () => {
    const { subject, proofBy } = await owner();
    const id = await proofBy('recovery');
    const { factorId } = await rowOf(id);
    test.clock.advance(24 * 3_600);
    // As the purge of the factors alone does it: that of the confirmations may run later.
    await test.dataSource.getRepository(FactorRecord).delete({ id: factorId! });

    expect((await test.confirmer.check(id))[0]?.status).toBe('expired');
    expect(await test.confirmer.redeem(id, { subject })).toMatchObject({
      reason: expect.stringContaining('not used in time'),
    });
  });

  it('outlive the end of a device that expires after it confirmed, also when a purge runs', async () => {
    const { subject, proofBy } = await owner();
    const device = (await factors().list({ subject })).find(({ expiresAt }) => expiresAt);
    test.clock.advance((device!.expiresAt!.getTime() - test.clock.now()) / 1_000 - 1);
    const id = await proofBy('device');
    test.clock.advance(2);
    await test.confirmer.purge();

    expect(await pays(id, subject)).toBe(true);
  });
});

// Their UPDATE returns no row, which is read after it.
describe.each(mysqlServers)('A proof that is reserved on %s', (engine) => {
  it('is confirmed for its handler, also when the factor is removed before the row is read', async () => {
    const test = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: {} } });
    try {
      const subject = 'owner';
      const { token } = await rememberDevice(test, subject);
      const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['device'] });
      await test.confirmer.confirm(id, { method: 'device', token });
      const removed: unknown[] = [];
      interceptStatements(test.dataSource, async (sql, run) => {
        const answer = await run();
        const isReserved = sql.startsWith('UPDATE') && sql.includes('confirming');
        if (isReserved) removed.push(await factorsOf(test).forgetDevices({ subject }));
        return answer;
      });

      const reserved = await test.confirmer.reserve(id, { subject });

      expect(removed).toEqual([1]);
      expect(reserved).toMatchObject({ state: { status: 'confirmed' } });
    } finally {
      await test.close();
    }
  });
});
