// What a person has removed proves no change any more, also when a thief had confirmed by it a moment before.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { recoveryCodes, totp } from '../../lib/index.js';
import type { TestAuthenticator } from '../support/authenticator.js';
import { enrolledClient, FactorClient, FACTORS, MANY } from '../support/factor-routes.js';
import { engines } from '../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

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
