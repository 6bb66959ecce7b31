// Confirmations that a client begins without a message: what they cost the server, and whom they can keep out.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, LimitService, type PurposeDefinition } from '../../lib/index.js';
import { header } from '../e2e/controller-fixtures.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const MAX = 20;

const purpose: PurposeDefinition = {
  subject: (context) => header(context, 'x-user'),
  recipient: (context) => `${header(context, 'x-user')}@example.com`,
};
const purposes = {
  'app-only': { subject: purpose.subject!, methods: ['totp'] },
  forgotten: { subject: purpose.subject!, methods: ['totp'], claimedSubject: true },
  login: { ...purpose, methods: ['totp', 'code', 'recovery'] },
} satisfies Record<string, PurposeDefinition>;

describe.each(engines)('Confirmations that begin without a message on %s', (engine) => {
  let http: HttpTestApp;

  beforeAll(async () => {
    const limits = {
      requester: (context: Parameters<typeof header>[0]) => header(context, 'x-session'),
      requestsPerRequester: [{ max: MAX, perSeconds: 3_600 }],
    };
    http = await startHttpApp({
      engine,
      options: { controller: true, methods: METHODS, purposes, limits },
    });
  });
  afterAll(() => http.close());

  const from = (session: string, user: string, body: object): Promise<Answer> =>
    http.post('/2factor/request-confirmation', body, { 'x-user': user, 'x-session': session });
  const rowsOf = (subject: string): Promise<number> =>
    http.dataSource.getRepository(ConfirmationRecord).countBy({ subject });

  it.each(['app-only', 'login'])(
    'makes for %s only as many rows as a requester may cause, however many concurrent calls ask',
    async (name) => {
      const user = `owner-of-${name}`;
      const { app } = await enrolApp(http, user);
      const ask = (session: string): Promise<Answer> => from(session, user, { purpose: name });

      const answers = await Promise.all(Array.from({ length: 60 }, () => ask(`thief-of-${name}`)));

      expect(answers.filter(({ status }) => status === 200)).toHaveLength(MAX);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(60 - MAX);
      expect(await rowsOf(user)).toBe(MAX);
      // Another person at the same address is not concerned.
      await enrolApp(http, `neighbour-of-${name}`);
      const neighbour = await from(`thief-of-${name}`, `neighbour-of-${name}`, { purpose: name });
      expect(neighbour).toMatchObject({ status: 200 });
      // The owner signs in elsewhere meanwhile, and the application has all its pending slots.
      const { status, body } = await ask(`owner-of-${name}`);
      expect([status, (body as { method: string }).method]).toEqual([200, 'totp']);
      const { id } = body as { id: string };
      const confirmed = await http.post(
        '/2factor/confirm',
        { id, method: 'totp', code: app.code() },
        { 'x-user': user },
      );
      expect(confirmed).toMatchObject({ status: 200 });
      for (let slot = 0; slot < 3; slot += 1) {
        const made = await http.confirmer.makeConfirmation({ subject: user, purpose: name });
        expect(made.status).toBe('pending');
      }
    },
  );

  it('makes only as many rows as a requester may cause, however many names a stranger claims', async () => {
    const users = Array.from({ length: 3 }, (_, index) => `claimed-${index}`);
    for (const user of users) await enrolApp(http, user);
    const ask = (session: string, user: string): Promise<Answer> =>
      from(session, user, { purpose: 'forgotten' });

    const answers = await Promise.all(
      Array.from({ length: 2 * MAX }, (_, index) => ask('claimant', users[index % 3]!)),
    );

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(MAX);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(MAX);
    // The persons themselves are not concerned, wherever they ask.
    expect(await ask('elsewhere', users[0]!)).toMatchObject({ status: 200 });
    expect(await from('claimant', users[0]!, { purpose: 'app-only' })).toMatchObject({
      status: 200,
    });
  });

  it('locks an app for those who only claim the name, and not for the person who has signed in', async () => {
    const { app } = await enrolApp(http, 'guessed');
    const ask = (session: string, name: string): Promise<Answer> =>
      from(session, 'guessed', { purpose: name });
    const confirm = (id: unknown, code: string): Promise<Answer> =>
      http.post('/2factor/confirm', { id, method: 'totp', code }, { 'x-user': 'guessed' });
    for (let round = 0; round < 2; round += 1) {
      const { id } = (await ask('stranger', 'forgotten')).body as { id: string };
      for (let guess = 0; guess < 5; guess += 1) {
        expect((await confirm(id, app.wrongCode())).status).toBeGreaterThanOrEqual(400);
      }
    }

    expect(await ask('stranger', 'forgotten')).toBeProblem(429, 'too-many-requests', {
      retryAfter: 300,
    });
    const own = await ask('owner', 'login');
    expect(own).toMatchObject({ status: 200, body: { method: 'totp' } });
    expect(await confirm((own.body as { id: string }).id, app.code())).toMatchObject({
      status: 200,
    });
    const person = { subject: 'guessed', method: 'totp' } as const;
    const limits = http.app.get(LimitService, { strict: false });
    expect(await limits.failures(person)).toMatchObject({ count: 10 });
    await limits.reset(person);
    expect(await ask('stranger', 'forgotten')).toMatchObject({ status: 200 });
  });

  it('refuses a locked app at the request too, and names what the person can use instead', async () => {
    const { app, recoveryCodes } = await enrolApp(http, 'ann');
    for (let round = 0; round < 2; round += 1) {
      const { id } = (await from('ann', 'ann', { purpose: 'login' })).body as { id: string };
      for (let count = 0; count < 5; count += 1) {
        await http.confirmer.confirm(id, { method: 'totp', code: app.wrongCode() });
      }
    }

    const [login, alone] = [
      await from('ann', 'ann', { purpose: 'login' }),
      await from('ann', 'ann', { purpose: 'app-only' }),
    ];

    expect(login).toBeProblem(429, 'too-many-requests', { retryAfter: 30, methods: ['recovery'] });
    expect(alone).toBeProblem(429, 'too-many-requests', { retryAfter: 30 });
    const named = await from('ann', 'ann', { purpose: 'login', method: 'recovery' });
    const { id } = named.body as { id: string };
    const code = recoveryCodes[0]!;
    expect(await http.confirmer.confirm(id, { method: 'recovery', code })).toMatchObject([
      {},
      true,
    ]);
  });
});
