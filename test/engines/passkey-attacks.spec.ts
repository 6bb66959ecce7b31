// What an attacker makes of passkeys: assertions for something else, copied keys, credentials of others, weaker enrolments.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  TwoFactorEvents,
  type FactorService,
  type MakeConfirmationInput,
  type PasskeyAssertionResponse,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { passkeys } from '../../lib/methods/passkey/index.js';
import {
  SoftwareAuthenticator,
  type AssertionFault,
  type PasskeyFault,
} from '../../lib/testing/software-authenticator.js';
import { factorsOf } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import {
  enrolPasskey,
  ORIGIN,
  PASSKEY_METHODS,
  PASSKEY_OPTIONS,
  type PasskeyHolder,
} from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const COMMON_FAULTS = [
  'wrong-type',
  'wrong-challenge',
  'wrong-origin',
  'cross-origin',
  'top-origin',
  'wrong-rp-id',
  'no-user-presence',
  'no-user-verification',
  'wrong-credential',
  'other-algorithm',
] as const satisfies readonly PasskeyFault[];
const ASSERTION_FAULTS: readonly AssertionFault[] = [
  ...COMMON_FAULTS,
  'changed-backup-flag',
  'counter-backwards',
  'wrong-signature',
  'wrong-user-handle',
];

describe.each(engines)('Attacks on passkeys on %s', (engine) => {
  let test: TestApp;
  let factors: FactorService;
  let events: TwoFactorEvent[] = [];

  beforeAll(async () => {
    test = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: {} } });
    factors = factorsOf(test);
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  });
  afterAll(() => test.close());

  const methods = ['passkey'] as const;
  const make = async (subject: string, given: MakeConfirmationInput = {}): Promise<string> =>
    (await test.confirmer.makeConfirmation({ subject, methods, ...given })).id;
  const sign = async (
    { authenticator }: PasskeyHolder,
    id: string,
    fault?: AssertionFault,
  ): Promise<PasskeyAssertionResponse> =>
    authenticator.get(await test.confirmer.challenge(id, { method: 'passkey' }), fault);
  const confirm = async (id: string, response: PasskeyAssertionResponse): Promise<boolean> =>
    (await test.confirmer.confirm(id, { method: 'passkey', response }))[1];
  /** No guess was counted, and a right response still confirms. */
  const expectUntouched = async (holder: PasskeyHolder, id: string): Promise<void> => {
    expect(await test.confirmer.check(id)).toMatchObject([
      { status: 'pending', attemptsLeft: 5 },
      false,
    ]);
    expect(await confirm(id, await sign(holder, id))).toBe(true);
  };

  it.each(ASSERTION_FAULTS)(
    'refuses an assertion with the fault %s, and charges nothing',
    async (fault) => {
      const holder = await enrolPasskey(test, `fault-${fault}`);
      const id = await make(holder.subject);

      expect(await confirm(id, await sign(holder, id, fault))).toBe(false);
      await expectUntouched(holder, id);
    },
  );

  it.each<[string, MakeConfirmationInput, MakeConfirmationInput]>([
    ['confirmation', {}, {}],
    ['amount', { details: { amount: '10.00' } }, { details: { amount: '9999.00' } }],
    ['purpose', { purpose: 'login' }, { purpose: 'transfer' }],
    ['list of methods', { methods: ['passkey'] }, { methods: ['passkey', 'totp'] }],
  ])('refuses an assertion for another %s', async (what, signed, wanted) => {
    const holder = await enrolPasskey(test, `other ${what}`);
    const [shown, id] = [await make(holder.subject, signed), await make(holder.subject, wanted)];

    expect(await confirm(id, await sign(holder, shown))).toBe(false);
    await expectUntouched(holder, id);
  });

  it('refuses the passkey of another subject, although it signs the right challenge', async () => {
    const [owner, thief] = [await enrolPasskey(test, 'owner'), await enrolPasskey(test, 'thief')];
    const id = await make(owner.subject);
    const { allowCredentials } = await test.confirmer.challenge(await make(thief.subject), {
      method: 'passkey',
    });
    const options = await test.confirmer.challenge(id, { method: 'passkey' });

    expect(await confirm(id, thief.authenticator.get({ ...options, allowCredentials }))).toBe(
      false,
    );
    await expectUntouched(owner, id);
  });

  it('reports a counter that went backwards, and not a response that is sent twice', async () => {
    const holder = await enrolPasskey(test, 'copied');
    const { subject, factorId } = holder;
    const id = await make(subject);
    events = [];

    await confirm(id, await sign(holder, id, 'counter-backwards'));
    const suspected = events.filter(({ type }) => type === 'passkey-copy-suspected');
    expect(suspected).toMatchObject([{ subject, method: 'passkey', factor: factorId }]);
    const response = await sign(holder, id);
    events = [];
    expect(await confirm(id, response)).toBe(true);
    expect(await confirm(id, response)).toBe(false);
    expect(events.map(({ type }) => type)).toEqual(['confirmed']);
  });

  it('answers the same challenge to each call, writes nothing, and ends it with the confirmation', async () => {
    const holder = await enrolPasskey(test, 'challenges');
    const id = await make(holder.subject);
    const ask = (): Promise<object> => test.confirmer.challenge(id, { method: 'passkey' });

    const first = await ask();
    const statements = await test.log.during(async () => {
      expect(await ask()).toEqual(first);
    });
    expect(statements.map(({ sql }) => sql.trim().slice(0, 6))).toEqual(['SELECT', 'SELECT']);
    await confirm(id, await sign(holder, id));
    await expect(ask()).rejects.toMatchObject({ code: 'already-confirmed' });
  });

  it('refuses a challenge for an unknown confirmation, another method, and a subject without a passkey', async () => {
    const { id } = await test.confirmer.makeConfirmation({ subject: 'none', methods: ['totp'] });
    const ask = (of: string, method = 'passkey'): Promise<object> =>
      test.confirmer.challenge(of, { method: method as 'passkey' });
    const refused = { code: 'method-not-allowed' };

    await expect(ask(id)).rejects.toMatchObject(refused);
    await expect(ask(id, 'totp')).rejects.toMatchObject(refused);
    await expect(ask(await make('none'))).rejects.toMatchObject(refused);
    await expect(ask(id, 'none')).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(ask('0'.repeat(36))).rejects.toMatchObject({ code: 'not-found' });
    await expect(ask('malformed')).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('enrols no second passkey in one authenticator, and names the subject by random bytes', async () => {
    const subject = 'ann@acme.example';
    const { authenticator } = await enrolPasskey(test, subject);
    const again = await factors.enrol({ subject, method: 'passkey' });
    const other = await factors.enrol({ subject: 'ben', method: 'passkey' });

    expect(() => authenticator.create(again.options)).toThrow('holds a passkey');
    const { user } = again.options;
    expect(Buffer.from(user.id, 'base64url')).toHaveLength(32);
    expect(Buffer.from(user.id, 'base64url').toString()).not.toContain('ann');
    expect(other.options.user.id).not.toBe(user.id);
    const next = await factors.enrol({ subject, method: 'passkey' });
    expect(next.options.user.id).toBe(user.id);
    // Another enrolment has begun: the former one has ended.
    const response = new SoftwareAuthenticator({ origin: ORIGIN }).create(again.options);
    await expect(
      factors.activate({ subject, factor: again.factor.id, response }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });

  it.each(COMMON_FAULTS)('activates nothing by a registration with the fault %s', async (fault) => {
    const subject = `registers-${fault}`;
    const { factor, options } = await factors.enrol({ subject, method: 'passkey' });
    const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
    const activate = (given?: PasskeyFault): ReturnType<FactorService['activate']> => {
      const response = authenticator.create(options, given);
      return factors.activate({ subject, factor: factor.id, response });
    };

    expect(await activate(fault)).toBeNull();
    expect(await factors.list({ subject })).toEqual([]);
    expect(await activate()).toMatchObject({ factor: { method: 'passkey', isSynced: false } });
  });

  it('enrols a credential once over all subjects', async () => {
    const first = await factors.enrol({ subject: 'first', method: 'passkey' });
    const second = await factors.enrol({ subject: 'second', method: 'passkey' });
    const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
    const response = authenticator.create(first.options);
    // Nothing signs a registration without attestation, so that a client can say it for another challenge.
    const { clientDataJSON } = authenticator.create(second.options).response;
    const copied = { ...response, response: { ...response.response, clientDataJSON } };

    const input = { subject: 'first', factor: first.factor.id, response };
    expect(await factors.activate(input)).not.toBeNull();
    const again = { subject: 'second', factor: second.factor.id, response: copied };
    expect(await factors.activate(again)).toBeNull();
    expect(await factors.list({ subject: 'second' })).toEqual([]);
  });

  it('keeps ten passkeys of a subject, and no eleventh', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 11; count += 1) {
      ids.push((await enrolPasskey(test, 'many')).factorId);
      test.clock.advance(1);
    }

    const listed = await factors.list({ subject: 'many' });
    expect(listed.filter(({ method }) => method === 'passkey').map(({ id }) => id)).toEqual(
      ids.slice(1),
    );
  });

  it('does not import a passkey', async () => {
    const input = { subject: 'imports', method: 'passkey' as 'totp', secret: 'JBSWY3DPEHPK3PXP' };
    await expect(factors.import(input)).rejects.toMatchObject({ code: 'invalid-request' });
  });
});

describe('Passkeys that a provider copies', () => {
  it('confirm more than once with a counter of 0, and are told apart in the list', async () => {
    const test = await startApp({ options: { methods: PASSKEY_METHODS, limits: {} } });
    const holder = await enrolPasskey(test, 'ann', { isSynced: true });
    const subject = 'ann';

    for (let count = 0; count < 2; count += 1) {
      const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['passkey'] });
      const options = await test.confirmer.challenge(id, { method: 'passkey' });
      const response = holder.authenticator.get(options);
      expect((await test.confirmer.confirm(id, { method: 'passkey', response }))[1]).toBe(true);
    }
    expect(await factorsOf(test).list({ subject })).toMatchObject([{ isSynced: true }, {}]);
    await test.close();
  });

  it('are refused with synced: false, when they are enrolled and when they confirm', async () => {
    const methods = [passkeys({ ...PASSKEY_OPTIONS, synced: false })];
    const engine = 'better-sqlite3';
    const loose = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: {} } });
    const { database } = loose;
    const strict = await startApp({ engine, database, options: { methods, limits: {} } });
    const { authenticator, subject } = await enrolPasskey(loose, 'ann', { isSynced: true });

    await expect(enrolPasskey(strict, 'ben', { isSynced: true })).rejects.toThrow('not activated');
    strict.clock.advance((loose.clock.now() - strict.clock.now()) / 1_000);
    const { id } = await strict.confirmer.makeConfirmation({ subject, methods: ['passkey'] });
    const options = await strict.confirmer.challenge(id, { method: 'passkey' });
    const response = authenticator.get(options);
    expect((await strict.confirmer.confirm(id, { method: 'passkey', response }))[1]).toBe(false);
    await strict.close();
    await loose.close();
  });
});
