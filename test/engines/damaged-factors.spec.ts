// Factors whose secret is gone from the ring: what is removed meanwhile must not confirm when that secret is added again.
import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  FactorRecord,
  recoveryCodes,
  totp,
  TwoFactorEvents,
  type FactorService,
  type MethodName,
  type MethodResponse,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { passkeys } from '../../lib/methods/passkey/index.js';
import { enrolApp, factorsOf, type EnrolledSubject } from '../support/authenticator.js';
import { DEVICES, rememberDevice } from '../support/devices.js';
import { engines } from '../support/engines.js';
import { enrolPasskey, PASSKEY_OPTIONS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const METHODS = [
  passkeys(PASSKEY_OPTIONS),
  totp({ issuer: 'ACME', max: 2 }),
  recoveryCodes({ count: 10 }),
  DEVICES,
];
const MOST_DEVICES = 10;
/** More than the attempts of a confirmation, and than the failures that lock an app. */
const MANY = 12;

/** A person with an app, recovery codes, and a device that was remembered by a proof of the app. */
interface Owner extends EnrolledSubject {
  readonly token: string;
}

describe.each(engines)('A factor that does not open on %s', (engine) => {
  let test: TestApp;
  let factors: FactorService;
  let owners = 0;
  const events: TwoFactorEvent[] = [];

  beforeAll(async () => {
    const limits = { pending: false } as const;
    const options = { methods: METHODS, databaseTimeoutMs: 60_000, limits };
    test = await startApp({ engine, options });
    factors = factorsOf(test);
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  });
  beforeEach(() => {
    vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    events.length = 0;
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(() => test?.close());

  const rows = () => test.dataSource.getRepository(FactorRecord);
  const nextSubject = (): string => `owner-${(owners += 1)}`;

  async function confirm(
    subject: string,
    method: MethodName,
    response: MethodResponse,
  ): Promise<boolean> {
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: [method] });
    return (await test.confirmer.confirm(id, response))[1];
  }

  async function owner(): Promise<Owner> {
    const subject = nextSubject();
    const enrolled = await enrolApp(test, subject);
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    await test.confirmer.confirm(id, { method: 'totp', code: enrolled.app.code() });
    await test.confirmer.use(id, { subject });
    const device = await factors.remember({ confirmation: id });
    test.clock.advance(30);
    return { ...enrolled, token: device!.token };
  }

  /** As while the secret of these factors is not in the ring. @returns what adds it again. */
  async function loseSecret(
    given: Partial<Pick<FactorRecord, 'id' | 'method' | 'subject'>>,
  ): Promise<() => Promise<void>> {
    const lost = await rows().findBy(given);
    for (const { id } of lost) await rows().update({ id }, { data: 'v1.gone' });
    return async () => {
      for (const { id, data } of lost) await rows().update({ id }, { data });
    };
  }

  it.each<[string, (given: Owner) => Promise<unknown>, unknown]>([
    ['all devices are forgotten', ({ subject }) => factors.forgetDevices({ subject }), 1],
    [
      'the device is removed',
      ({ subject, token }) => factors.remove({ subject, factor: token.split('.')[0]! }),
      true,
    ],
    [
      'the app that remembered it is removed',
      async ({ subject, factorId }) => {
        await enrolPasskey(test, subject);
        return factors.remove({ subject, factor: factorId });
      },
      true,
    ],
    [
      'the app that remembered it is replaced',
      async ({ subject }) => {
        await enrolApp(test, subject);
        return (await enrolApp(test, subject)).subject === subject;
      },
      true,
    ],
    [
      'the last authenticator is removed',
      ({ subject, factorId }) => factors.remove({ subject, factor: factorId, allowLast: true }),
      true,
    ],
    ['all factors are erased', ({ subject }) => factors.erase({ subject }), 12],
  ])('is gone for good as a device when %s', async (_, remove, answer) => {
    const given = await owner();
    const { subject, token } = given;
    const addSecret = await loseSecret({ subject, method: 'device' });

    expect(await confirm(subject, 'device', { method: 'device', token })).toBe(false);
    expect(await remove(given)).toBe(answer);
    await addSecret();

    expect(await confirm(subject, 'device', { method: 'device', token })).toBe(false);
    expect(await rows().countBy({ subject, method: 'device' })).toBe(0);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'factor-removed', method: 'device', subject }),
    );
  });

  it('makes place as the oldest of the devices', async () => {
    const subject = nextSubject();
    const tokens: string[] = [];
    for (let count = 0; count < MOST_DEVICES; count += 1) {
      test.clock.advance(1);
      tokens.push((await rememberDevice(test, subject)).token);
    }
    const addSecret = await loseSecret({ subject, method: 'device' });
    test.clock.advance(1);
    tokens.push((await rememberDevice(test, subject)).token);
    await addSecret();

    const confirmed: boolean[] = [];
    for (const token of tokens) {
      confirmed.push(await confirm(subject, 'device', { method: 'device', token }));
    }
    expect(confirmed).toEqual([false, ...Array.from({ length: MOST_DEVICES }, () => true)]);
  });

  it('is removed as a recovery code, with the whole set', async () => {
    const { subject, recoveryCodes: codes } = await owner();
    const addSecret = await loseSecret({ subject, method: 'recovery' });

    expect(await factors.remove({ subject, factor: 'recovery' })).toBe(true);
    await addSecret();

    const code = codes[0]!;
    expect(await confirm(subject, 'recovery', { method: 'recovery', code })).toBe(false);
    expect(await factors.remove({ subject, factor: 'recovery' })).toBe(false);
  });

  it.each<[string, (given: Owner) => Promise<unknown>, unknown]>([
    [
      'the last authenticator is removed',
      ({ subject, factorId }) => factors.remove({ subject, factor: factorId, allowLast: true }),
      true,
    ],
    ['all factors are erased', ({ subject }) => factors.erase({ subject }), 2],
  ])('is no recovery code, and its used-up set is reported, when %s', async (_, remove, answer) => {
    const given = await owner();
    const { subject } = given;
    const used = { method: 'spent', handle: null, data: null };
    await rows().update({ subject, method: 'recovery' }, used);

    expect(await remove(given)).toBe(answer);

    const removed = events.filter(({ type }) => type === 'factor-removed');
    expect(removed).toMatchObject([
      { method: 'totp', subject },
      { method: 'device', subject },
      { method: 'recovery', factor: 'recovery', subject },
    ]);
  });

  it('is refused as an app without a charge, however often its code is entered', async () => {
    const { subject, app } = await owner();
    const addSecret = await loseSecret({ subject, method: 'totp' });
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    const response = (): MethodResponse => ({ method: 'totp', code: app.code() });

    for (let count = 0; count < MANY; count += 1) {
      await expect(test.confirmer.confirm(id, response())).rejects.toMatchObject({
        code: 'unknown-secret',
      });
    }
    await addSecret();

    expect((await test.confirmer.check(id))[0]).toMatchObject({ attemptsLeft: 5 });
    expect((await test.confirmer.confirm(id, response()))[1]).toBe(true);
  });

  it('makes no guess free where another app of the person is intact', async () => {
    const { subject, factorId, app } = await owner();
    const other = await enrolApp(test, subject);
    await loseSecret({ subject, id: factorId });
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });

    const guess = { method: 'totp', code: app.code() } as const;
    expect((await test.confirmer.confirm(id, guess))[1]).toBe(false);
    expect((await test.confirmer.check(id))[0]).toMatchObject({ attemptsLeft: 4 });
    const right = { method: 'totp', code: other.app.code() } as const;
    expect((await test.confirmer.confirm(id, right))[1]).toBe(true);
  });
});
