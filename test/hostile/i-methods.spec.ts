// Threat: authenticator apps, passkeys, recovery codes and devices on the same confirmation (security.md, section 2 I).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitService,
  type MakeConfirmationInput,
  type MethodResponse,
  type PurposeDefinition,
} from '../../lib/index.js';
import type { AssertionFault } from '../../lib/testing/software-authenticator.js';
import { header } from '../e2e/controller-fixtures.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { enrolPasskey, PASSKEY_METHODS, type PasskeyHolder } from '../support/passkeys.js';

const COPIES = 40;
const LONG = 1_048_576;
const NOT_ALLOWED = 'method-not-allowed';
const OTHER_RECOVERY_CODE = 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P';

const purpose: PurposeDefinition = {
  subject: (context) => header(context, 'x-user'),
  recipient: (context) => `${header(context, 'x-user')}@example.com`,
};
const purposes = {
  plain: purpose,
  login: { ...purpose, methods: ['totp', 'code', 'recovery'] },
  transfer: { ...purpose, methods: ['passkey'] },
} satisfies Record<string, PurposeDefinition>;

describe('Methods beside codes', () => {
  let http: HttpTestApp;
  let users = 0;

  beforeAll(async () => {
    const limits = { requestsPerRequester: false as const };
    http = await startHttpApp({
      options: { controller: true, methods: PASSKEY_METHODS, purposes, limits },
    });
  });
  afterAll(() => http.close());

  const nextUser = (): string => `user-${(users += 1)}`;
  const make = async (subject: string, given: MakeConfirmationInput): Promise<string> =>
    (await http.confirmer.makeConfirmation({ subject, ...given })).id;
  const confirm = async (id: string, response: MethodResponse): Promise<boolean> =>
    (await http.confirmer.confirm(id, response))[1];
  const post = (user: string, route: string, body: object): Promise<Answer> =>
    http.post(`/2factor/${route}`, body, { 'x-user': user });
  const request = async (user: string, name: string): Promise<string> => {
    const { body } = await post(user, 'request-confirmation', { purpose: name });
    return (body as { id: string }).id;
  };
  const signed = async (holder: PasskeyHolder, id: string, fault?: AssertionFault) =>
    holder.authenticator.get(await http.confirmer.challenge(id, { method: 'passkey' }), fault);

  it('86 accepts a time step once, the one before and the one after it, and no other', async () => {
    const { subject, app } = await enrolApp(http, nextUser());
    const stepNow = Math.floor(http.clock.now() / 30_000);
    const fresh = (): Promise<string> => make(subject, { methods: ['totp'] });
    const tries = async (later: number): Promise<boolean> =>
      confirm(await fresh(), { method: 'totp', code: app.code(later) });

    for (const later of [-stepNow, -2, 2, 2 ** 40]) expect(await tries(later)).toBe(false);
    expect(await tries(0)).toBe(true);
    expect(await tries(0)).toBe(false);
    // What was before a spent step is spent with it.
    expect(await tries(-1)).toBe(false);
    expect(await tries(1)).toBe(true);
  });

  it('87 refuses an app for a confirmation by a sent code alone, whatever the body says', async () => {
    const { subject, app } = await enrolApp(http, nextUser());
    const id = await request(subject, 'plain');
    const widened = { methods: ['totp'], allowed: ['totp'], purpose: 'login', confirmedBy: 'totp' };

    const answer = await post(subject, 'confirm', {
      id,
      method: 'totp',
      code: app.code(),
      ...widened,
    });

    expect(answer).toBeProblem(409, NOT_ALLOWED);
    expect(await http.row(id)).toMatchObject({ methods: null, attempts: 0, confirmedAt: null });
  });

  it('88 refuses a sent code where a passkey is asked for, when it confirms and when it is used', async () => {
    const { subject } = await enrolPasskey(http, nextUser());
    const id = await request(subject, 'transfer');
    const weak = await http.confirmer.makeConfirmation({ subject, purpose: 'transfer' });
    await http.confirmer.confirm(weak.id, weak.code!);
    const asked = { purpose: 'transfer', subject };

    expect(await post(subject, 'confirm', { id, code: '123456' })).toBeProblem(409, NOT_ALLOWED);
    expect(await post(subject, 'resend', { id })).toBeProblem(409, NOT_ALLOWED);
    expect(
      await post(subject, 'request-confirmation', { purpose: 'transfer', method: 'code' }),
    ).toBeProblem(409, NOT_ALLOWED);
    expect(await http.confirmer.use(weak.id, { ...asked, confirmedBy: ['passkey'] })).toBe(false);
    expect((await http.row(weak.id)).usedAt).toBeNull();
  });

  it('89 takes no method twice where two are asked for', async () => {
    const { subject, app } = await enrolApp(http, nextUser());
    const byCode = await http.confirmer.makeConfirmation({ subject });
    const again = await http.confirmer.makeConfirmation({ subject });
    const byApp = await make(subject, { methods: ['totp'] });
    await http.confirmer.confirm(byCode.id, byCode.code!);
    await http.confirmer.confirm(again.id, again.code!);
    await confirm(byApp, { method: 'totp', code: app.code() });
    // Two methods are two confirmations, which are used together or not at all.
    const both = (first: string, second: string): Promise<boolean> =>
      http.dataSource
        .transaction(async (manager) => {
          const given = { subject, manager };
          const used = [
            await http.confirmer.use(first, { ...given, confirmedBy: ['code'] }),
            await http.confirmer.use(second, { ...given, confirmedBy: ['totp'] }),
          ];
          if (used.includes(false)) throw new Error('One is missing.');
          return true;
        })
        .catch(() => false);

    expect(await both(byCode.id, again.id)).toBe(false);
    expect(await both(byCode.id, byCode.id)).toBe(false);
    expect(await both(byApp, byApp)).toBe(false);
    expect(await both(byCode.id, byApp)).toBe(true);
    expect(await both(again.id, byApp)).toBe(false);
  });

  it('90 refuses a factor that was enrolled while the confirmation was pending', async () => {
    const subject = nextUser();
    const id = await make(subject, { methods: ['code', 'totp', 'recovery'] });
    http.clock.advance(0.001);
    const { app, recoveryCodes } = await enrolApp(http, subject);

    expect(await confirm(id, { method: 'totp', code: app.code() })).toBe(false);
    expect(await confirm(id, { method: 'recovery', code: recoveryCodes[0]! })).toBe(false);
    expect(await factorsOf(http).list({ subject })).toMatchObject([{}, { left: 10 }]);
  });

  it('91 consumes a recovery code once in 40 parallel calls, and no other code', async () => {
    const { subject, recoveryCodes } = await enrolApp(http, nextUser());
    const ids = await Promise.all(
      Array.from({ length: COPIES }, () => make(subject, { methods: ['recovery'] })),
    );
    const code = recoveryCodes[3]!;

    const answers = await Promise.all(ids.map((id) => confirm(id, { method: 'recovery', code })));

    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await factorsOf(http).list({ subject })).toMatchObject([{}, { left: 9 }]);
    const another = await make(subject, { methods: ['recovery'] });
    expect(await confirm(another, { method: 'recovery', code: recoveryCodes[4]! })).toBe(true);
  });

  it('92 answers the recovery code of another person as one that there is not, by as many statements', async () => {
    const [ann, bob] = [await enrolApp(http, nextUser()), await enrolApp(http, nextUser())];
    const statementsOf = async (code: string): Promise<string[]> => {
      const id = await make(ann.subject, { methods: ['recovery'] });
      let isDone = true;
      const statements = await http.log.during(async () => {
        isDone = await confirm(id, { method: 'recovery', code });
      });
      expect(isDone).toBe(false);
      return statements.map(({ sql }) => sql);
    };

    expect(await statementsOf(bob.recoveryCodes[0]!)).toEqual(
      await statementsOf(OTHER_RECOVERY_CODE),
    );
    expect(await factorsOf(http).list({ subject: bob.subject })).toMatchObject([{}, { left: 10 }]);
  });

  it.each<AssertionFault>([
    'wrong-challenge',
    'wrong-origin',
    'wrong-rp-id',
    'no-user-verification',
    'counter-backwards',
  ])(
    '93 refuses an assertion with the fault %s, and of another or ended challenge',
    async (fault) => {
      const holder = await enrolPasskey(http, nextUser());
      const { subject } = holder;
      const methods = ['passkey'] as const;
      const [id, other] = [await make(subject, { methods }), await make(subject, { methods })];
      const answer = async (on: string, of: string, wrong?: AssertionFault): Promise<boolean> =>
        confirm(on, { method: 'passkey', response: await signed(holder, of, wrong) });

      expect(await answer(id, id, fault)).toBe(false);
      expect(await answer(id, other)).toBe(false);
      const replayed = await signed(holder, id);
      expect(await confirm(id, { method: 'passkey', response: replayed })).toBe(true);
      expect(await confirm(other, { method: 'passkey', response: replayed })).toBe(false);
      const late = await signed(holder, other);
      http.clock.advance(600);
      expect(await confirm(other, { method: 'passkey', response: late })).toBe(false);
      expect(await http.row(other)).toMatchObject({ confirmedAt: null, attempts: 0 });
    },
  );

  it('94 refuses members of 1 MB without reading them, over HTTP and by the service', async () => {
    const holder = await enrolPasskey(http, nextUser());
    const id = await make(holder.subject, { purpose: 'transfer', methods: ['passkey'] });
    const right = await signed(holder, id);
    const members = ['authenticatorData', 'clientDataJSON', 'signature', 'userHandle'] as const;

    for (const member of members) {
      const response = {
        ...right,
        response: { ...right.response, [member]: 'A'.repeat(LONG) },
      };
      await expect(
        http.confirmer.confirm(id, { method: 'passkey', response }),
      ).rejects.toMatchObject({ code: 'invalid-request' });
      const { status } = await post(holder.subject, 'confirm', { id, method: 'passkey', response });
      expect([400, 413]).toContain(status);
    }
    expect(await http.row(id)).toMatchObject({ attempts: 0, confirmedAt: null });
    expect(await confirm(id, { method: 'passkey', response: right })).toBe(true);
  });

  it('95 refuses a factor that was removed while the confirmation was pending', async () => {
    const { subject, app, factorId, recoveryCodes } = await enrolApp(http, nextUser());
    const id = await make(subject, { methods: ['totp', 'recovery'] });

    await factorsOf(http).remove({ subject, factor: factorId, allowLast: true });

    expect(await confirm(id, { method: 'totp', code: app.code() })).toBe(false);
    expect(await confirm(id, { method: 'recovery', code: recoveryCodes[0]! })).toBe(false);
    expect(await http.row(id)).toMatchObject({ confirmedAt: null, confirmedBy: null });
  });

  it('96 makes one transition, and names the winner alone, when two methods confirm at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { subject, app, recoveryCodes } = await enrolApp(http, nextUser());
      const methods = ['code', 'totp', 'recovery'] as const;
      const state = await http.confirmer.makeConfirmation({ subject, methods });
      const responses: MethodResponse[] = [
        { method: 'code', code: state.code! },
        { method: 'totp', code: app.code() },
        { method: 'recovery', code: recoveryCodes[0]! },
      ];

      const done = await Promise.all(responses.map((each) => confirm(state.id, each)));

      const winners = responses.filter((_, index) => done[index]);
      expect(winners).toHaveLength(1);
      expect(await http.row(state.id)).toMatchObject({ confirmedBy: winners[0]!.method });
      const [, codes] = await factorsOf(http).list({ subject });
      expect(codes?.left).toBe(winners[0]!.method === 'recovery' ? 9 : 10);
    }
  });

  it('97 ends a lock by an explicit reset alone, which revives no exhausted confirmation', async () => {
    const { subject, app } = await enrolApp(http, nextUser());
    const limits = http.app.get(LimitService, { strict: false });
    const ids: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const id = await make(subject, { methods: ['totp'] });
      for (let count = 0; count < 5; count += 1) {
        await confirm(id, { method: 'totp', code: app.wrongCode() });
      }
      ids.push(id);
    }
    const waiting = await make(subject, { methods: ['totp'] });
    await expect(confirm(waiting, { method: 'totp', code: app.code() })).rejects.toMatchObject({
      code: 'too-many-requests',
    });
    // A reset of another scope ends nothing of it.
    await limits.reset({ subject });
    await expect(confirm(waiting, { method: 'totp', code: app.code() })).rejects.toMatchObject({
      code: 'too-many-requests',
    });

    await limits.reset({ subject, method: 'totp' });

    expect(await limits.failures({ subject, method: 'totp' })).toMatchObject({ count: 0 });
    for (const id of ids) {
      expect(await confirm(id, { method: 'totp', code: app.code() })).toBe(false);
      expect(await http.row(id)).toMatchObject({ attempts: 5, confirmedAt: null });
    }
    expect(await confirm(waiting, { method: 'totp', code: app.code() })).toBe(true);
  });
});
