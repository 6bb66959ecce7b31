// What a person has removed proves no change any more, also when a thief had confirmed by it a moment before.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { recoveryCodes, totp, TwoFactorNotFoundError } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { enrolApp, factorsOf, TestAuthenticator } from '../support/authenticator.js';
import { enrolledClient, FactorClient, FACTORS, MANY } from '../support/factor-routes.js';
import { engines } from '../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const ENROL = { change: 'enrol', method: 'totp' };
const CODES = { change: 'recovery-codes' };

describe.each(engines)('A proof by a factor that is gone on %s', (engine) => {
  let http: HttpTestApp;
  let users = 0;

  beforeAll(async () => {
    http = await startHttpApp({
      engine,
      options: {
        controller: true,
        methods: [totp({ issuer: 'ACME', max: 2 }), recoveryCodes({ count: 10 })],
        purposes: { factors: FACTORS },
        limits: MANY,
      },
    });
  });
  afterAll(() => http.close());

  /** A person with two apps, the older one of which a thief has copied. */
  async function withTwoApps(): Promise<{
    client: FactorClient;
    copied: TestAuthenticator;
    copiedId: string;
    own: TestAuthenticator;
    ownId: string;
    codes: readonly string[];
  }> {
    const {
      client,
      app,
      factorId,
      recoveryCodes: codes,
    } = await enrolledClient(http, `owner-${(users += 1)}`);
    const own = await client.enrol(await client.byApp(ENROL, app));
    await client.activate(own);
    http.clock.advance(30);
    return { client, copied: app, copiedId: factorId, own: own.app, ownId: own.id, codes };
  }

  const enrol = (client: FactorClient, proof: string): ReturnType<FactorClient['post']> =>
    client.post('factors/enrol', { method: 'totp' }, proof);

  it('enrols nothing after the app that confirmed it was removed', async () => {
    const { client, copied, copiedId, own } = await withTwoApps();
    const stolen = await client.byApp(ENROL, copied);
    const removal = await client.byApp({ change: 'remove', factor: copiedId }, own);
    await client.post('factors/remove', { factor: copiedId }, removal);

    expect(await enrol(client, stolen)).toBeProblem(403, 'confirmation-required');
    expect(await enrol(client, await client.byApp(ENROL, own))).toMatchObject({ status: 200 });
  });

  it('enrols nothing after the recovery codes that confirmed it were replaced', async () => {
    const { client, own, codes } = await withTwoApps();
    const stolen = await client.byRecovery(ENROL, codes[0]!);
    http.clock.advance(1);
    const replacement = await client.byApp(CODES, own);
    await client.post('factors/recovery-codes', {}, replacement);

    expect(await enrol(client, stolen)).toBeProblem(403, 'confirmation-required');
  });

  it('activates no enrolment that was begun before the app that confirmed it was removed', async () => {
    const { client, copied, copiedId, own } = await withTwoApps();
    const begun = await client.enrol(await client.byApp(ENROL, copied));
    const removal = await client.byApp({ change: 'remove', factor: copiedId }, own);
    await client.post('factors/remove', { factor: copiedId }, removal);
    const before = await client.list();

    expect(await client.activate(begun)).toBeProblem(404, 'not-found');
    expect(await client.list()).toEqual(before);
    const again = await client.enrol(await client.byApp(ENROL, own));
    expect(await client.activate(again)).toMatchObject({ status: 200 });
  });

  it.each([
    ['replaced', 'factors/recovery-codes', CODES, {}],
    ['removed', 'factors/remove', { change: 'remove', factor: 'recovery' }, { factor: 'recovery' }],
  ])(
    'activates no enrolment that was begun before the recovery codes that confirmed it were %s',
    async (_, route, details, body) => {
      const { client, own, codes } = await withTwoApps();
      const begun = await client.enrol(await client.byRecovery(ENROL, codes[0]!));
      expect(await client.post(route, body, await client.byApp(details, own))).toMatchObject({
        status: 200,
      });

      expect(await client.activate(begun)).toBeProblem(404, 'not-found');
    },
  );

  it('pays nothing, and activates nothing, after the removal of recovery codes of which none is left', async () => {
    const { client, own, codes } = await withTwoApps();
    for (const code of codes.slice(2)) await client.byRecovery(ENROL, code);
    const begun = await client.enrol(await client.byRecovery(ENROL, codes[1]!));
    const stolen = await client.byRecovery(ENROL, codes[0]!);
    const removal = await client.byApp({ change: 'remove', factor: 'recovery' }, own);
    const remove = (): ReturnType<FactorClient['post']> =>
      client.post('factors/remove', { factor: 'recovery' }, removal);

    expect(await remove()).toMatchObject({ status: 200, body: { removed: true } });
    expect(await enrol(client, stolen)).toBeProblem(403, 'confirmation-required');
    expect(await client.activate(begun)).toBeProblem(404, 'not-found');
    const again = await client.byApp({ change: 'remove', factor: 'recovery' }, own);
    expect(await client.post('factors/remove', { factor: 'recovery' }, again)).toBeProblem(
      404,
      'not-found',
    );
  });

  it('does not remove the last app when it was given to remove one of two', async () => {
    const { client, copiedId, own, ownId } = await withTwoApps();
    const ofTwo = await client.byApp({ change: 'remove', factor: ownId }, own);
    const removal = await client.byApp({ change: 'remove', factor: copiedId }, own);
    await client.post('factors/remove', { factor: copiedId }, removal);
    const last = { factor: ownId, allowLast: true };
    const before = await client.list();

    expect(await client.post('factors/remove', last, ofTwo)).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await client.post('factors/remove', { factor: ownId }, ofTwo)).toBeProblem(
      409,
      'last-factor',
    );
    expect(await client.list()).toEqual(before);
    const ofLast = await client.byApp({ change: 'remove', ...last }, own);
    expect(await client.post('factors/remove', { factor: ownId }, ofLast)).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await client.post('factors/remove', last, ofLast)).toMatchObject({ status: 200 });
    expect(await client.list()).toEqual([]);
  });

  it('changes factors as before while the app, or the rest of the set, is there', async () => {
    const { client, own, codes } = await withTwoApps();
    const byApp = await client.byApp(ENROL, own);
    const byCode = await client.byRecovery(ENROL, codes[0]!);

    expect(await enrol(client, byApp)).toMatchObject({ status: 200 });
    expect(await enrol(client, byCode)).toMatchObject({ status: 200 });
  });

  it('enrols by the last recovery code of a set', async () => {
    const { client, codes } = await withTwoApps();
    for (const code of codes.slice(1)) await client.byRecovery(ENROL, code);
    const last = await client.byRecovery(ENROL, codes[0]!);

    expect(await enrol(client, last)).toMatchObject({ status: 200 });
  });
});

describe.each(engines)('A passkey that a thief has begun to enrol by an app, on %s', (engine) => {
  let test: TestApp;
  let users = 0;

  beforeAll(async () => {
    test = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: MANY } });
  });
  afterAll(() => test.close());

  /** What the thief sends to activate the passkey; the proof that began the enrolment is not asked for any more. */
  async function beginPasskey(subject: string): Promise<() => Promise<unknown>> {
    const { factor, options } = await factorsOf(test).enrol({ subject, method: 'passkey' });
    const response = new SoftwareAuthenticator({ origin: ORIGIN }).create(options);
    return () => factorsOf(test).activate({ subject, factor: factor.id, response });
  }

  it('ends with the app when another one replaces it', async () => {
    const { subject } = await enrolApp(test, `replaces-${(users += 1)}`);
    const factors = factorsOf(test);
    const { factor, secret } = await factors.enrol({ subject, method: 'totp' });
    const activate = await beginPasskey(subject);
    const response = new TestAuthenticator(secret, test.clock).code();
    expect(await factors.activate({ subject, factor: factor.id, response })).not.toBeNull();

    await expect(activate()).rejects.toBeInstanceOf(TwoFactorNotFoundError);
    expect(await factors.list({ subject })).toMatchObject([
      { id: factor.id },
      { method: 'recovery' },
    ]);
  });

  it('ends with the app when an imported one replaces it', async () => {
    const { subject, app } = await enrolApp(test, `imports-${(users += 1)}`);
    const activate = await beginPasskey(subject);
    await factorsOf(test).import({ subject, method: 'totp', secret: app.secret });

    await expect(activate()).rejects.toBeInstanceOf(TwoFactorNotFoundError);
  });

  it('is activated while the app is there, also when a device was removed meanwhile', async () => {
    const { subject } = await enrolApp(test, `keeps-${(users += 1)}`);
    const activate = await beginPasskey(subject);
    await factorsOf(test).forgetDevices({ subject });

    expect(await activate()).not.toBeNull();
  });
});
