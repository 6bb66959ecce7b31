// The routes that change factors: what proves a change, and that a proof for one change is a proof for no other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  FactorRecord,
  recoveryCodes,
  totp,
  TwoFactorEvents,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { TestAuthenticator } from '../support/authenticator.js';
import {
  changesOf,
  ENROL,
  enrolledClient,
  FactorClient,
  FACTORS,
  MANY,
} from '../support/factor-routes.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const CODES = { change: 'recovery-codes' };
const TWO_APPS = [totp({ issuer: 'ACME', max: 2 }), recoveryCodes({ count: 10 })];

describe.each(adapters)('The routes of the factors on $name', ({ create }) => {
  let http: HttpTestApp;
  let users = 0;

  beforeAll(async () => {
    http = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        methods: TWO_APPS,
        purposes: { factors: FACTORS },
        limits: MANY,
      },
    });
  });
  afterAll(() => http.close());

  const nextUser = (): string => `user-${(users += 1)}`;

  it('enrol a first app by a sent code, and show its secret and the recovery codes once', async () => {
    const client = new FactorClient(http, nextUser());
    const proof = await client.byCode(ENROL);

    const enrolled = await client.post(
      'factors/enrol',
      { method: 'totp', label: 'My phone', account: 'ann@example.com' },
      proof,
    );

    expect(enrolled).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(enrolled.body).toEqual({
      factor: {
        id: expect.any(String),
        method: 'totp',
        label: 'My phone',
        createdAt: expect.any(String),
        lastUsedAt: null,
      },
      uri: expect.stringContaining('otpauth://totp/ACME:ann%40example.com?secret='),
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
    });
    expect(await client.list()).toEqual([]);
    const { factor, secret } = enrolled.body as { factor: { id: string }; secret: string };
    const wrong = await client.post('factors/activate', {
      factor: factor.id,
      response: '00000000',
    });
    expect(wrong).toBeProblem(422, 'code-mismatch');
    const app = new TestAuthenticator(secret, http.clock);
    const activated = await client.activate({ id: factor.id, app });
    expect(activated).toMatchObject({ status: 200 });
    expect(Object.keys(activated.body as object)).toEqual(['factor', 'recoveryCodes']);
    expect((activated.body as { recoveryCodes: string[] }).recoveryCodes).toHaveLength(10);
    expect(await client.list()).toMatchObject([
      { id: factor.id, label: 'My phone' },
      { id: 'recovery', left: 10 },
    ]);
    expect(await client.activate({ id: factor.id, app })).toBeProblem(404, 'not-found');
  });

  it('name the methods that can be enrolled when a client asks for another one', async () => {
    const client = new FactorClient(http, nextUser());
    const detail = 'A person can enrol totp here, and no other method.';
    for (const method of ['passkey', 'recovery', '__proto__', 7]) {
      const details = { change: 'enrol', method };
      const asked = await client.post('request-confirmation', { purpose: 'factors', details });
      expect(asked, String(method)).toBeProblem(400, 'invalid-request', { detail });
    }
    const begun = await client.post('factors/enrol', { method: 'passkey' });
    expect(begun).toBeProblem(400, 'invalid-request', { detail });
  });

  it.each(['12345', 123_456, 'abcdef'])(
    'say that the code of an app has 6 to 8 digits when an activation has %j',
    async (response) => {
      const client = new FactorClient(http, nextUser());
      const proof = await client.byCode(ENROL);
      const begun = await client.post('factors/enrol', { method: 'totp' }, proof);
      const { factor } = begun.body as { factor: { id: string } };
      const refused = await client.post('factors/activate', { factor: factor.id, response });
      const detail = 'The code of an app is a string of 6 to 8 digits.';
      expect(refused).toBeProblem(400, 'invalid-request', { detail });
    },
  );

  it('rename, replace the codes and remove with proofs by an app or a recovery code', async () => {
    const { client, app, factorId, recoveryCodes: codes } = await enrolledClient(http, nextUser());
    const rename = await client.byApp({ change: 'rename', factor: factorId }, app);
    const replace = await client.byRecovery(CODES, codes[0]!);
    const remove = await client.byApp({ change: 'remove', factor: factorId }, app);

    expect(
      await client.post('factors/rename', { factor: factorId, label: 'Old' }, rename),
    ).toMatchObject({ status: 200, body: { factor: factorId, label: 'Old' } });
    expect(await client.list()).toMatchObject([{ label: 'Old' }, { left: 9 }]);
    const replaced = await client.post('factors/recovery-codes', {}, replace);
    expect(replaced).toMatchObject({ status: 200 });
    expect((replaced.body as { recoveryCodes: string[] }).recoveryCodes).toHaveLength(10);
    // A proof that did not change anything is as it was.
    expect(await client.post('factors/remove', { factor: factorId }, remove)).toBeProblem(
      409,
      'last-factor',
    );
    const last = { factor: factorId, allowLast: true };
    const removeLast = await client.byApp({ change: 'remove', ...last }, app);
    expect(await client.post('factors/remove', last, removeLast)).toMatchObject({
      status: 200,
      body: { factor: factorId, removed: true },
    });
    expect(await client.list()).toEqual([]);
    expect((await client.request(ENROL)).body).toMatchObject({ method: 'code' });
  });

  it('remove recovery codes of which none is intact', async () => {
    const subject = nextUser();
    const { client, app } = await enrolledClient(http, subject);
    const codes = { subject, method: 'recovery' };
    await http.dataSource.getRepository(FactorRecord).update(codes, { data: 'v1.gone' });
    const proof = await client.byApp({ change: 'remove', factor: 'recovery' }, app);

    const removed = await client.post('factors/remove', { factor: 'recovery' }, proof);

    expect(removed).toMatchObject({ status: 200, body: { factor: 'recovery', removed: true } });
    expect(await http.dataSource.getRepository(FactorRecord).countBy(codes)).toBe(0);
    const again = await client.byApp({ change: 'remove', factor: 'recovery' }, app);
    const missing = await client.post('factors/remove', { factor: 'recovery' }, again);
    expect(missing).toBeProblem(404, 'not-found');
  });

  it('remove all recovery codes, and leave the app', async () => {
    const { client, app } = await enrolledClient(http, nextUser());
    const proof = await client.byApp({ change: 'remove', factor: 'recovery' }, app);

    const removed = await client.post('factors/remove', { factor: 'recovery' }, proof);

    expect(removed).toMatchObject({ status: 200, body: { factor: 'recovery', removed: true } });
    expect(await client.list()).toMatchObject([{ method: 'totp' }]);
  });

  it('refuse every change without a proof, and change nothing', async () => {
    const { client, factorId } = await enrolledClient(http, nextUser());
    const before = await client.list();

    for (const [route, body] of changesOf(factorId)) {
      expect(await client.post(route, body)).toBeProblem(403, 'confirmation-required');
      expect(await client.post(route, body, UNKNOWN_ID)).toBeProblem(403, 'confirmation-required');
      expect(await client.post(route, body, 'no-id')).toBeProblem(400, 'invalid-request');
    }
    expect(await client.list()).toEqual(before);
  });

  it('report neither a new name of the recovery codes, which have none, nor the use of a proof that was not confirmed', async () => {
    const { client } = await enrolledClient(http, nextUser());
    const asked = await client.request({ change: 'rename', factor: 'recovery' });
    const { id } = asked.body as { id: string };
    const used: TwoFactorEvent[] = [];
    const subscription = http.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => {
      if (event.type === 'used') used.push(event);
    });

    for (const proof of [id, UNKNOWN_ID]) {
      const renamed = await client.post(
        'factors/rename',
        { factor: 'recovery', label: 'Mine' },
        proof,
      );
      expect(renamed).toBeProblem(404, 'not-found');
    }

    subscription.unsubscribe();
    expect(used).toEqual([]);
  });

  it('refuse a proof for one change on every other one, and leave it usable for its own', async () => {
    const { client, app, factorId, recoveryCodes: codes } = await enrolledClient(http, nextUser());
    const other = (await client.list())[1]!.id;
    const changes = [
      ['factors/enrol', { method: 'totp' }, ENROL],
      ['factors/rename', { factor: factorId, label: 'x' }, { change: 'rename', factor: factorId }],
      ['factors/remove', { factor: other }, { change: 'remove', factor: other }],
      ['factors/remove', { factor: factorId }, { change: 'remove', factor: factorId }],
      ['factors/recovery-codes', {}, CODES],
    ] as const;
    const proofs: string[] = [];
    for (const [index, [, , details]] of changes.entries()) {
      proofs.push(await client.byRecovery(details, codes[index]!));
    }
    const before = await client.list();

    for (const [at, proof] of proofs.entries()) {
      for (const [index, [route, body]] of changes.entries()) {
        if (at === index) continue;
        const answer = await client.post(route, body, proof);
        expect([route, answer.status]).toEqual([route, 403]);
      }
    }
    expect(await client.list()).toEqual(before);
    expect(await client.post(changes[1][0], changes[1][1], proofs[1])).toMatchObject({
      status: 200,
    });
    expect(await client.post(changes[1][0], changes[1][1], proofs[1])).toBeProblem(
      409,
      'confirmation-used',
    );
    expect(app).toBeDefined();
  });

  it('refuse the proof of another person, and touch no factor of another person', async () => {
    const ann = await enrolledClient(http, nextUser());
    const eve = await enrolledClient(http, nextUser());
    const details = { change: 'remove', factor: ann.factorId, allowLast: true };
    const ofAnn = await ann.client.byApp(details, ann.app);
    const ofEve = await eve.client.byApp(details, eve.app);
    const body = { factor: ann.factorId, allowLast: true };

    expect(await eve.client.post('factors/remove', body, ofAnn)).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await eve.client.post('factors/remove', body, ofEve)).toBeProblem(404, 'not-found');
    const renaming = await eve.client.byApp({ change: 'rename', factor: ann.factorId }, eve.app);
    expect(
      await eve.client.post('factors/rename', { factor: ann.factorId, label: 'x' }, renaming),
    ).toBeProblem(404, 'not-found');
    expect(
      await eve.client.post('factors/activate', { factor: ann.factorId, response: '123456' }),
    ).toBeProblem(404, 'not-found');
    expect(await ann.client.list()).toMatchObject([{ id: ann.factorId, label: '' }, { left: 10 }]);
  });

  it('refuse a proof by code when its person has an app by then', async () => {
    const client = new FactorClient(http, nextUser());
    const proofs = [await client.byCode(ENROL), await client.byCode(ENROL)];
    const codes = await client.byCode(CODES);
    expect(await client.activate(await client.enrol(proofs[0]))).toMatchObject({ status: 200 });
    const before = await client.list();

    const { id } = before[0]!;
    expect(await client.post('factors/enrol', { method: 'totp' }, proofs[1])).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await client.post('factors/recovery-codes', {}, codes)).toBeProblem(
      403,
      'confirmation-required',
    );
    expect((await client.request({ change: 'remove', factor: id }, 'code')).body).toMatchObject({
      error: 'method-not-allowed',
    });
    expect(await client.list()).toEqual(before);
  });

  it('end the enrolment of a thief who began before the owner, and gives the thief no other', async () => {
    const user = nextUser();
    const owner = new FactorClient(http, user);
    const proofs = [await owner.byCode(ENROL), await owner.byCode(ENROL)];
    const thief = await owner.enrol(proofs[0]);
    // Of one method there is one pending enrolment; this one is as if of another.
    await http.dataSource.query(
      `UPDATE two_factor_factor SET method = 'hidden' WHERE id = '${thief.id}'`,
    );
    const owned = await owner.enrol(proofs[1]);
    expect(await owner.activate(owned)).toMatchObject({ status: 200 });

    expect(await owner.activate(thief)).toBeProblem(404, 'not-found');
    expect(await owner.list()).toMatchObject([{ id: owned.id }, { left: 10 }]);
  });

  it('activate a second app only with an enrolment that an app has proven', async () => {
    const { client, app } = await enrolledClient(http, nextUser());
    const second = await client.enrol(await client.byApp(ENROL, app));

    const activated = await client.activate(second);

    expect(activated).toMatchObject({ status: 200, body: { factor: { id: second.id } } });
    expect(Object.keys(activated.body as object)).toEqual(['factor']);
    expect(await client.list()).toHaveLength(3);
  });

  it('refuse an activation after 15 minutes', async () => {
    const client = new FactorClient(http, nextUser());
    const begun = await client.enrol(await client.byCode(ENROL));
    http.clock.advance(900);

    expect(await client.activate(begun)).toBeProblem(404, 'not-found');
  });

  it.each([
    [undefined],
    [{}],
    [{ change: 'enrol' }],
    [{ change: 'enrol', method: 'totp', factor: 'recovery' }],
    [{ change: 'enrol', method: 'totp', more: 1 }],
    [{ change: 'remove', factor: 'x' }],
    [{ change: 'remove', factor: { toString: 'recovery' } }],
    [{ change: 'remove', factor: 'recovery', allowLast: false }],
    [{ change: 'remove', factor: 'recovery', allowLast: 'true' }],
    [{ change: 'rename', factor: 'recovery', allowLast: true }],
    [{ change: 'recovery-codes', factor: null }],
    [{ change: 'erase' }],
    [{ amount: '10.00' }],
  ])('refuse a confirmation with the details %o', async (details) => {
    const client = new FactorClient(http, nextUser());

    const answer = await client.post('request-confirmation', { purpose: 'factors', details });

    expect(answer).toMatchObject({
      status: 400,
      body: { error: 'invalid-request', detail: expect.stringContaining('recovery-codes') },
    });
  });

  it.each([
    ['enrol', { method: 'sms' }],
    ['enrol', { method: 'recovery' }],
    ['enrol', { method: 5 }],
    ['enrol', {}],
    ['enrol', { method: 'totp', label: 'x'.repeat(65) }],
    ['enrol', { method: 'totp', label: 'a\nb' }],
    ['activate', { factor: 'x' }],
    ['activate', { response: '123456' }],
    ['rename', { factor: 'recovery', label: 5 }],
    ['remove', { factor: 'recovery', allowLast: 'yes' }],
    ['remove', { factor: ['recovery'] }],
  ])('answer 400 to %s with %o, and spend no proof', async (route, body) => {
    const { client, app } = await enrolledClient(http, nextUser());
    const proof = await client.byApp(ENROL, app);

    const answer = await client.post(`factors/${route}`, body, proof);

    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid-request' } });
    expect(await client.post('factors/enrol', { method: 'totp' }, proof)).toMatchObject({
      status: 200,
    });
  });

  it('take JSON alone, with and without a slash at the end', async () => {
    const headers = { 'x-user': 'ann', 'content-type': 'application/x-www-form-urlencoded' };
    for (const route of ['list', 'enrol', 'activate', 'rename', 'remove', 'recovery-codes']) {
      const path = `/2factor/factors/${route}`;
      expect(await http.call(path, { method: 'POST', headers, body: 'a=b' })).toBeProblem(
        415,
        'unsupported-media-type',
      );
      expect(await http.call(path, { method: 'GET' })).toMatchObject({ status: 404 });
    }
    expect(await http.post('/2factor/factors/list/', {}, { 'x-user': 'ann' })).toMatchObject({
      status: 200,
    });
  });
});
