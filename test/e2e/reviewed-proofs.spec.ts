// When the function `methods` of a purpose is asked again, what it is given, and what becomes of the proof then.
import { ForbiddenException } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  TwoFactorCallError,
  TwoFactorEvents,
  type MethodName,
  type PurposeDefinition,
} from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { DEVICES, rememberDevice } from '../support/devices.js';
import { MANY } from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import {
  BY_APP_OR_CODE,
  effectsOf,
  openEffects,
  proofBy,
  proofByCode,
  ReviewedTransfersController,
  transfer,
} from '../support/reviewed-transfers.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

type Choose = (enrolled: readonly MethodName[]) => unknown;

const byAppOrCode: Choose = (enrolled) =>
  enrolled.includes('totp') ? ['totp', 'recovery'] : ['code'];

/** What the function returns now, and what it was told at each call. */
let choose: Choose = byAppOrCode;
let told: (readonly MethodName[])[] = [];

const transferPurpose: PurposeDefinition = {
  ...BY_APP_OR_CODE,
  methods: (_, enrolled) => {
    told.push(enrolled);
    return choose(enrolled) as readonly MethodName[];
  },
};

describe('The function `methods` of a purpose, when a proof is used,', () => {
  let http: HttpTestApp;
  let user: string;
  let users = 0;

  beforeAll(async () => {
    http = await startHttpApp({
      options: {
        controller: true,
        methods: [...METHODS, DEVICES],
        purposes: { transfer: transferPurpose, other: transferPurpose },
        limits: MANY,
      },
      controllers: [ReviewedTransfersController],
    });
    await openEffects(http);
  });
  afterAll(() => http?.close());

  beforeEach(() => {
    user = `ann-${(users += 1)}`;
    choose = byAppOrCode;
    told = [];
  });

  const binding = (): { purpose: string; subject: string } => ({
    purpose: 'transfer',
    subject: user,
  });

  it('is asked for a proof that would be accepted, and for no other', async () => {
    const id = await proofByCode(http, user);
    const pending = await http.request({ purpose: 'transfer' }, { 'x-user': user });
    const other = await http.confirmer.makeConfirmation({ ...binding(), purpose: 'other' });
    await http.confirmer.confirm(other.id, other.code!);
    told = [];

    const anonymous = await http.post('/transfers/guarded', {}, { 'x-confirmation-id': id });
    expect(anonymous).toBeProblem(403, 'no-subject');
    for (const [caller, proof] of [
      ['eve', id],
      [user, UNKNOWN_ID],
      [user, pending.id],
      [user, other.id],
    ] as const) {
      const answer = await transfer(http, 'guarded', caller, proof);
      expect(answer).toBeProblem(403, 'confirmation-required');
    }
    expect(told).toEqual([]);

    expect(await transfer(http, 'guarded', user, id)).toMatchObject({ status: 200 });
    expect(await transfer(http, 'guarded', user, id)).toBeProblem(409, 'confirmation-used');
    expect(told).toEqual([[]]);
  });

  it('is not asked for a proof that the application has confirmed itself', async () => {
    await enrolApp(http, user);
    const { id } = await http.confirmer.makeConfirmation({ ...binding(), isConfirmed: true });
    told = [];

    expect(await transfer(http, 'guarded', user, id)).toMatchObject({ status: 200 });
    expect(told).toEqual([]);
  });

  it.each([
    ['an error of the application', () => new TypeError('no user'), 500],
    ['a refusal of the application', () => new ForbiddenException('blocked'), 403],
  ])('uses nothing when it throws %s', async (_, error, status) => {
    const id = await proofByCode(http, user);
    const [row, effects] = [await http.row(id), await effectsOf(http)];
    choose = () => {
      throw error();
    };

    for (const route of ['guarded', 'transactional']) {
      expect(await transfer(http, route, user, id)).toMatchObject({ status });
    }

    expect(await http.row(id)).toEqual(row);
    expect(await effectsOf(http)).toBe(effects);
    choose = byAppOrCode;
    expect(await transfer(http, 'guarded', user, id)).toMatchObject({ status: 200 });
  });

  it.each([
    ['no list', 'code'],
    ['a method that is not configured', ['passkey']],
    ['nothing', undefined],
  ])('answers 500 and uses nothing when it returns %s', async (_, answer) => {
    const id = await proofByCode(http, user);
    choose = () => answer;

    expect(await transfer(http, 'guarded', user, id)).toBeProblem(500, 'invalid-configuration');

    expect(await http.row(id)).toMatchObject({ usedAt: null });
  });

  it('refuses every method when it returns an empty list', async () => {
    const id = await proofByCode(http, user);
    choose = () => [];

    expect(await transfer(http, 'guarded', user, id)).toBeProblem(403, 'confirmation-required');
  });

  it('accepts the proof by the last recovery code, which that proof has consumed', async () => {
    const { recoveryCodes } = await enrolApp(http, user);
    choose = (enrolled) => enrolled.filter((name) => name === 'recovery');
    const proofs: string[] = [];
    for (const code of recoveryCodes) {
      proofs.push(await proofBy(http, user, { method: 'recovery', code }));
    }
    const [first, last] = [proofs[0]!, proofs.at(-1)!];
    expect(await transfer(http, 'guarded', user, last)).toMatchObject({ status: 200 });
    expect(told.at(-1)).toEqual(['totp', 'recovery']);

    http.clock.advance(1);
    await factorsOf(http).regenerateRecoveryCodes({ subject: user });
    choose = (enrolled) => (enrolled.includes('recovery') ? ['totp'] : []);
    expect(await transfer(http, 'guarded', user, first)).toBeProblem(403, 'confirmation-required');
  });

  it('accepts the proof by a device whose cookie does not reach the route, until that is forgotten', async () => {
    choose = () => ['code', 'device'];
    const { token } = await rememberDevice(http, user);
    const remembered = { 'x-device': token };
    const [used, late] = [
      await proofBy(http, user, { method: 'device' }, remembered),
      await proofBy(http, user, { method: 'device' }, remembered),
    ];
    choose = (enrolled) => (enrolled.includes('device') ? ['device'] : ['code']);
    told = [];

    expect(await transfer(http, 'guarded', user, used)).toMatchObject({ status: 200 });
    await factorsOf(http).forgetDevices({ subject: user });
    expect(await transfer(http, 'guarded', user, late)).toBeProblem(403, 'confirmation-required');
    // The proof has ended with the device, so that the function is not asked for it.
    expect(told).toEqual([['device']]);
  });

  it('accepts the proof by a device that expires after it confirmed, also when a purge runs', async () => {
    choose = () => ['code', 'device'];
    const { token } = await rememberDevice(http, user);
    const device = (await factorsOf(http).list({ subject: user })).find(
      ({ expiresAt }) => expiresAt,
    );
    http.clock.advance((device!.expiresAt!.getTime() - http.clock.now()) / 1_000 - 1);
    const id = await proofBy(http, user, { method: 'device' }, { 'x-device': token });
    http.clock.advance(2);
    await http.confirmer.purge();
    choose = (enrolled) => (enrolled.includes('device') ? ['device'] : ['code']);

    expect((await transfer(http, 'checked', user, id)).text).toBe('true');
    expect(await transfer(http, 'guarded', user, id)).toMatchObject({ status: 200 });
  });

  it('refuses the proof by an app that was removed, where it asks for the app of who has one', async () => {
    const { app, factorId } = await enrolApp(http, user);
    const id = await proofBy(http, user, { method: 'totp', code: app.code() });
    await factorsOf(http).remove({ subject: user, factor: factorId, allowLast: true });

    expect(await transfer(http, 'guarded', user, id)).toBeProblem(403, 'confirmation-required');
    // The purpose allows an app again, and the proof is still by the one that is gone.
    await enrolApp(http, user);
    for (const route of ['guarded', 'transactional']) {
      expect(await transfer(http, route, user, id)).toBeProblem(403, 'confirmation-required');
    }
  });

  it('is asked by `use` and `check` with the context of the call, and refuses there too', async () => {
    const id = await proofByCode(http, user);
    expect((await transfer(http, 'checked', user, id)).text).toBe('true');
    expect((await transfer(http, 'service', user, id)).text).toBe('true');
    const late = await proofByCode(http, user);
    await enrolApp(http, user);

    expect((await transfer(http, 'checked', user, late)).text).toBe('false');
    expect((await transfer(http, 'service', user, late)).text).toBe('false');
    expect(await http.row(late)).toMatchObject({ usedAt: null });
  });

  it('makes `use` and `check` of an application throw without a context and without confirmedBy', async () => {
    const id = await proofByCode(http, user);
    for (const call of ['use', 'check'] as const) {
      const answer = http.confirmer[call](id, binding());
      await expect(answer).rejects.toThrow(TwoFactorCallError);
      await expect(http.confirmer[call](id, binding())).rejects.toThrow(
        'Give context: the ExecutionContext of the call, so that it is asked, or confirmedBy: the methods that count.',
      );
    }
    expect(await http.row(id)).toMatchObject({ usedAt: null });

    const confirmedBy = ['code'] as const;
    expect((await http.confirmer.check(id, { ...binding(), confirmedBy }))[1]).toBe(true);
    expect(await http.confirmer.use(id, { ...binding(), confirmedBy: ['totp'] })).toBe(false);
    expect(await http.confirmer.use(id, { ...binding(), confirmedBy })).toBe(true);
    expect(await http.confirmer.check(id)).toMatchObject([{ isUsed: true }, false]);
  });

  it('is asked no more for a call that repeats its key after an enrolment', async () => {
    const id = await proofByCode(http, user);
    const headers = { 'x-user': user, 'x-confirmation-id': id };
    const idempotencyKey = 'key-of-a-transfer-0001';
    const pay = (): Promise<{ text: string }> =>
      http.post('/transfers/service', { id, user, idempotencyKey }, headers);

    expect((await pay()).text).toBe('true');
    await enrolApp(http, user);
    expect((await pay()).text).toBe('true');
  });

  it('reports the second use of a proof as before', async () => {
    const events: string[] = [];
    const subscription = http.app
      .get(TwoFactorEvents, { strict: false })
      .subscribe(({ type }) => events.push(type));
    const id = await proofByCode(http, user);
    await transfer(http, 'guarded', user, id);
    await transfer(http, 'transactional', user, id);
    await expect.poll(() => events, { timeout: 20_000 }).toContain('reuse-refused');
    subscription.unsubscribe();

    expect(events.filter((type) => type === 'used')).toHaveLength(1);
    expect(events.filter((type) => type === 'reuse-refused')).toHaveLength(1);
  });
});
