// Remembered devices: what makes one, what it confirms, and what a thief of an id or of a table makes of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  FactorRecord,
  TwoFactorEvents,
  type FactorService,
  type MethodResponse,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { rememberDevice, usedConfirmation } from '../support/devices.js';
import { engines } from '../support/engines.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const DAY = 86_400;
const FIVE_MINUTES = 300;

describe.each(engines)('Remembered devices on %s', (engine) => {
  let test: TestApp;
  let factors: FactorService;
  let events: TwoFactorEvent[] = [];

  beforeAll(async () => {
    const options = { methods: PASSKEY_METHODS, limits: false as const, databaseTimeoutMs: 60_000 };
    test = await startApp({ engine, options });
    factors = factorsOf(test);
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  });
  afterAll(() => test.close());

  const confirm = async (subject: string, token: string): Promise<boolean> => {
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['device'] });
    return (await test.confirmer.confirm(id, { method: 'device', token }))[1];
  };

  it('confirm until they expire, and their use extends nothing', async () => {
    const { token, expiresAt } = await rememberDevice(test, 'expires');

    expect(expiresAt.getTime()).toBe(test.clock.now() + 30 * DAY * 1_000);
    expect(await factors.list({ subject: 'expires' })).toMatchObject([
      { method: 'device', expiresAt },
    ]);
    test.clock.advance(30 * DAY - 1);
    expect(await confirm('expires', token)).toBe(true);
    test.clock.advance(1);
    expect(await confirm('expires', token)).toBe(false);
    expect(await factors.list({ subject: 'expires' })).toEqual([]);
  });

  it('are not made by a code that went to a token which the client named', async () => {
    const subject = 'proves-a-number';
    const used = async (tokenFrom?: 'client'): Promise<string> => {
      const token = `${tokenFrom ?? 'owner'}@example.com`;
      const { id } = await test.twoFactor.request({ subject, token, tokenFrom });
      await test.confirmer.confirm(id, test.inbox.lastCode);
      expect(await test.confirmer.use(id, { subject })).toBe(true);
      return id;
    };

    expect(await factors.remember({ confirmation: await used('client') })).toBeNull();
    expect(await factors.remember({ confirmation: await used() })).not.toBeNull();
  });

  it('are not made by a proof that was used before all devices were forgotten', async () => {
    const subject = 'thrown-out';
    const before = await usedConfirmation(test, subject);
    const remembered = await usedConfirmation(test, subject);
    expect(await factors.remember({ confirmation: remembered })).not.toBeNull();
    test.clock.advance(1);
    await factors.forgetDevices({ subject });
    test.clock.advance(1);

    for (const confirmation of [before, remembered]) {
      expect(await factors.remember({ confirmation })).toBeNull();
    }
    expect(await factors.list({ subject })).toEqual([]);
    const after = await usedConfirmation(test, subject);
    expect(await factors.remember({ confirmation: after })).not.toBeNull();
    // Without a device to forget, too: the thief may be about to remember one.
    const other = await usedConfirmation(test, 'thrown-out-too');
    await factors.forgetDevices({ subject: 'thrown-out-too' });
    expect(await factors.remember({ confirmation: other })).toBeNull();
  });

  it('are not made by a proof that was used before all factors were erased', async () => {
    const subject = 'reset-by-a-help-desk';
    const before = await usedConfirmation(test, subject);
    const remembered = await usedConfirmation(test, subject);
    expect(await factors.remember({ confirmation: remembered })).not.toBeNull();
    test.clock.advance(1);
    expect(await factors.erase({ subject })).toBe(1);
    test.clock.advance(1);

    for (const confirmation of [before, remembered]) {
      expect(await factors.remember({ confirmation })).toBeNull();
    }
    expect(await factors.list({ subject })).toEqual([]);
    const after = await usedConfirmation(test, subject);
    expect(await factors.remember({ confirmation: after })).not.toBeNull();
  });

  it('are not made again by the proof of a device that was removed', async () => {
    const subject = 'revoked';
    const confirmation = await usedConfirmation(test, subject);
    await factors.remember({ confirmation });
    test.clock.advance(1);
    const [device] = await factors.list({ subject });
    expect(await factors.remove({ subject, factor: device!.id })).toBe(true);
    test.clock.advance(1);

    expect(await factors.remember({ confirmation })).toBeNull();
    expect(await factors.list({ subject })).toEqual([]);
    const next = await usedConfirmation(test, subject);
    expect(await factors.remember({ confirmation: next })).not.toBeNull();
  });

  it('are not made by a proof whose app was removed or replaced after it', async () => {
    const subject = 'copied-app';
    const { app } = await enrolApp(test, subject);
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    await test.confirmer.confirm(id, { method: 'totp', code: app.code() });
    expect(await test.confirmer.use(id, { subject })).toBe(true);
    await factors.import({ subject, method: 'totp', secret: app.secret });

    expect(await factors.remember({ confirmation: id })).toBeNull();
  });

  /** An owner with a passkey, whose stolen app, own passkey and a sent code have each had a device remembered. */
  async function devicesBy(subject: string): Promise<{
    readonly appId: string;
    readonly passkeyId: string;
    readonly tokens: Readonly<Record<'code' | 'passkey' | 'totp', string>>;
  }> {
    const { app, factorId: appId } = await enrolApp(test, subject);
    const { authenticator, factorId: passkeyId } = await enrolPasskey(test, subject);
    const remember = async (id: string, response: MethodResponse): Promise<string> => {
      await test.confirmer.confirm(id, response);
      expect(await test.confirmer.use(id, { subject })).toBe(true);
      return (await factors.remember({ confirmation: id }))!.token;
    };
    const byApp = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    const byPasskey = await test.confirmer.makeConfirmation({ subject, methods: ['passkey'] });
    const challenge = await test.confirmer.challenge(byPasskey.id, { method: 'passkey' });
    const tokens = {
      totp: await remember(byApp.id, { method: 'totp', code: app.code() }),
      passkey: await remember(byPasskey.id, {
        method: 'passkey',
        response: authenticator.get(challenge),
      }),
      code: (await rememberDevice(test, subject)).token,
    };
    return { appId, passkeyId, tokens };
  }

  const isRemembered = async (
    subject: string,
    tokens: Readonly<Record<string, string>>,
  ): Promise<string[]> => {
    const names: string[] = [];
    for (const [name, token] of Object.entries(tokens)) {
      if (await confirm(subject, token)) names.push(name);
    }
    return names;
  };

  it('end with the app or the passkey whose proof had them remembered, and no others do', async () => {
    const subject = 'stolen-phone';
    const { appId, passkeyId, tokens } = await devicesBy(subject);
    const [id] = tokens.totp.split('.') as [string];
    const pending = await test.confirmer.makeConfirmation({ subject, methods: ['device'] });
    await test.confirmer.confirm(pending.id, { method: 'device', token: tokens.totp });
    events = [];

    expect(await factors.remove({ subject, factor: appId })).toBe(true);

    expect(events.map((event) => [event.type, 'factor' in event && event.factor])).toEqual([
      ['factor-removed', appId],
      ['factor-removed', id],
    ]);
    expect(await isRemembered(subject, tokens)).toEqual(['passkey', 'code']);
    expect(await test.confirmer.use(pending.id, { subject })).toBe(false);
    await enrolApp(test, subject);
    await factors.remove({ subject, factor: passkeyId });
    expect(await isRemembered(subject, tokens)).toEqual(['code']);
  });

  it('end with an app that is replaced, by an enrolment or by an import', async () => {
    const replace = {
      enrolment: async (subject: string): Promise<void> => {
        await enrolApp(test, subject);
      },
      import: async (subject: string): Promise<void> => {
        const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
        await factors.import({ subject, method: 'totp', secret });
      },
    };
    for (const [name, by] of Object.entries(replace)) {
      const subject = `replaced-by-${name}`;
      const { tokens } = await devicesBy(subject);
      const [id] = tokens.totp.split('.') as [string];
      events = [];

      await by(subject);

      expect(events).toContainEqual(
        expect.objectContaining({ type: 'factor-removed', factor: id }),
      );
      expect(await isRemembered(subject, tokens)).toEqual(['passkey', 'code']);
    }
  });

  it('are made by the proof of an app that is still there', async () => {
    const { subject, app } = await enrolApp(test, 'own-app');
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    await test.confirmer.confirm(id, { method: 'totp', code: app.code() });
    await test.confirmer.use(id, { subject });

    expect(await factors.remember({ confirmation: id })).not.toBeNull();
  });

  it('are stored as a hash alone, and reported in events without the token', async () => {
    events = [];
    const { token } = await rememberDevice(test, 'hashed');
    const [id, secret] = token.split('.') as [string, string];

    const row = await test.dataSource.getRepository(FactorRecord).findOneByOrFail({ id });
    expect(secret).toHaveLength(43);
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(events.at(-1)).toMatchObject({
      type: 'device-remembered',
      subject: 'hashed',
      factor: id,
    });
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  it('are remembered once for each confirmation, also by concurrent calls', async () => {
    const confirmation = await usedConfirmation(test, 'once');

    const all = await Promise.all(
      Array.from({ length: 10 }, () => factors.remember({ confirmation })),
    );

    expect(all.filter((device) => device !== null)).toHaveLength(1);
    expect(await factors.list({ subject: 'once' })).toHaveLength(1);
    expect(await factors.remember({ confirmation })).toBeNull();
  });

  it('are made of no confirmation that is unused, unknown, or used too long ago', async () => {
    const state = await test.confirmer.makeConfirmation({ subject: 'unused' });
    const remember = (confirmation: string): ReturnType<FactorService['remember']> =>
      factors.remember({ confirmation });

    expect(await remember(state.id)).toBeNull();
    await test.confirmer.confirm(state.id, state.code!);
    expect(await remember(state.id)).toBeNull();
    expect(await remember('0'.repeat(36))).toBeNull();
    const old = await usedConfirmation(test, 'unused');
    test.clock.advance(FIVE_MINUTES);
    expect(await remember(old)).toBeNull();
    expect(await factors.list({ subject: 'unused' })).toEqual([]);
  });

  it('are made neither by hand, nor by a recovery code, nor by a device, nor without a subject', async () => {
    const subject = 'untrusted';
    const { recoveryCodes } = await enrolApp(test, subject);
    const { token } = await rememberDevice(test, subject);
    const byHand = await usedConfirmation(test, subject, { isConfirmed: true });
    const methods = ['recovery', 'device'] as const;
    const used: string[] = [byHand];
    for (const response of [
      { method: 'recovery', code: recoveryCodes[0]! },
      { method: 'device', token },
    ] as const) {
      const { id } = await test.confirmer.makeConfirmation({ subject, methods });
      await test.confirmer.confirm(id, response);
      expect(await test.confirmer.use(id, { subject })).toBe(true);
      used.push(id);
    }
    const anybody = await test.confirmer.makeConfirmation({ token: 'a@b.example' });
    await test.confirmer.confirm(anybody.id, anybody.code!);
    await test.confirmer.use(anybody.id);

    for (const confirmation of [...used, anybody.id]) {
      expect(await factors.remember({ confirmation })).toBeNull();
    }
  });

  it('are not revoked by a client that has the id but not the secret', async () => {
    const subject = 'guessed';
    const { token } = await rememberDevice(test, subject);
    const [id] = token.split('.') as [string];

    for (let count = 0; count < 20; count += 1) {
      expect(await confirm(subject, `${id}.${'A'.repeat(43)}`)).toBe(false);
    }
    expect(await confirm(subject, token)).toBe(true);
  });

  it('are ten for each subject, and the oldest makes place', async () => {
    const subject = 'many';
    const tokens: string[] = [];
    for (let count = 0; count < 11; count += 1) {
      test.clock.advance(1);
      tokens.push((await rememberDevice(test, subject)).token);
    }
    test.clock.advance(1);

    expect(await factors.list({ subject })).toHaveLength(10);
    expect(await confirm(subject, tokens[0]!)).toBe(false);
    expect(await confirm(subject, tokens[1]!)).toBe(true);
  });

  it('are forgotten together, and those of others stay', async () => {
    const { token } = await rememberDevice(test, 'forgets');
    await rememberDevice(test, 'forgets');
    const other = await rememberDevice(test, 'Forgets');
    await enrolApp(test, 'forgets');

    expect(await factors.forgetDevices({ subject: 'forgets' })).toBe(2);
    expect(await factors.forgetDevices({ subject: 'forgets' })).toBe(0);
    expect(await confirm('forgets', token)).toBe(false);
    expect(await confirm('Forgets', other.token)).toBe(true);
    expect(await factors.list({ subject: 'forgets' })).toMatchObject([
      { method: 'totp' },
      { method: 'recovery' },
    ]);
  });

  it('go with the last authenticator', async () => {
    const { subject, factorId } = await enrolApp(test, 'last');
    const { token } = await rememberDevice(test, subject);

    await factors.remove({ subject, factor: factorId, allowLast: true });

    expect(await confirm(subject, token)).toBe(false);
  });

  it('never confirm a change of the factors', async () => {
    await expect(
      test.confirmer.makeConfirmation({ purpose: 'factors', subject: 'ann', methods: ['device'] }),
    ).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('are deleted with a purge when they have expired, once no proof by them can be left, and no others', async () => {
    const count = async (subject: string): Promise<number> =>
      test.dataSource.getRepository(FactorRecord).countBy({ subject, method: 'device' });
    await rememberDevice(test, 'purged');
    test.clock.advance(30 * DAY - 60);
    const { token } = await rememberDevice(test, 'kept');
    test.clock.advance(61);
    await test.confirmer.purge();
    expect([await count('purged'), await count('kept')]).toEqual([1, 1]);

    test.clock.advance(900);
    await test.confirmer.purge();

    expect([await count('purged'), await count('kept')]).toEqual([0, 1]);
    expect(await confirm('kept', token)).toBe(true);
  });
});
