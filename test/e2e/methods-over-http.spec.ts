// The methods of a purpose over HTTP: what a client is offered, what it may name, and what the answers tell.
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  ConfirmerService,
  type MethodName,
  type MethodResponse,
  type PurposeDefinition,
} from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { header } from './controller-fixtures.js';

const subject = (context: ExecutionContext): string | undefined => header(context, 'x-user');
const recipient = (context: ExecutionContext): string => `${subject(context)}@example.com`;

const purposes = {
  login: { subject, recipient, methods: ['totp', 'code', 'recovery'] },
  plain: { subject, recipient },
  'app-only': { subject, methods: ['totp', 'recovery'] },
  strict: {
    subject,
    recipient,
    methods: (_: ExecutionContext, enrolled: readonly MethodName[]) =>
      enrolled.includes('totp') ? ['totp'] : ['code'],
  },
  wrong: { subject, methods: () => ['passkey'] },
} satisfies Record<string, PurposeDefinition>;

describe('Methods over HTTP', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp({
      options: { controller: true, methods: METHODS, purposes, limits: {} },
    });
  });
  afterAll(() => http.close());

  const request = (user: string, body: object): Promise<Answer> =>
    http.post('/2factor/request-confirmation', body, { 'x-user': user });
  const confirm = (user: string, body: object): Promise<Answer> =>
    http.post('/2factor/confirm', body, { 'x-user': user });

  it('say to the application that a response lacks its method', async () => {
    const confirmer = http.app.get(ConfirmerService);
    const { id } = (await request('ann', { purpose: 'plain' })).body as { id: string };
    const response = { code: '123456' } as MethodResponse;
    await expect(confirmer.confirm(id, response)).rejects.toThrow(
      'The response lacks method: name one of code, totp, recovery',
    );
  });

  it('begins with the app, and sends nothing, when the person has one', async () => {
    const { app } = await enrolApp(http, 'ann');
    const sent = http.inbox.deliveries.length;

    const { status, body } = await request('ann', { purpose: 'login' });

    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.any(String),
      expiresAt: new Date(http.clock.now() + 600_000).toISOString(),
      expiresIn: 600,
      attemptsLeft: 5,
      method: 'totp',
      methods: ['totp', 'code', 'recovery'],
    });
    expect(http.inbox.deliveries).toHaveLength(sent);
    const { id } = body as { id: string };
    expect(await confirm('ann', { id, method: 'totp', code: app.wrongCode() })).toMatchObject({
      status: 422,
      body: { error: 'code-mismatch', attemptsLeft: 4 },
    });
    expect(await confirm('ann', { id, method: 'totp', code: app.code() })).toMatchObject({
      status: 200,
      body: { id, confirmed: true },
    });
    expect((await http.post('/2factor/check', { id }, { 'x-user': 'ann' })).body).toMatchObject({
      status: 'confirmed',
      confirmedBy: 'totp',
    });
  });

  it('returns placeholders for the missing message to the application, and omits these members over HTTP', async () => {
    await enrolApp(http, 'gwen');
    const methods = ['totp', 'recovery'] as const;

    const requested = await http.twoFactor.request({
      subject: 'gwen',
      purpose: 'app-only',
      methods,
    });

    expect(requested).toMatchObject({
      method: 'totp',
      methods,
      maskedToken: '****',
      codeLength: 0,
      resendAt: new Date(http.clock.now()),
    });
    expect(requested).not.toHaveProperty('delivery');
    await expect(http.twoFactor.resend(requested.id)).rejects.toMatchObject({
      code: 'method-not-allowed',
    });
    const { body } = await request('gwen', { purpose: 'app-only' });
    expect(Object.keys(body as object)).toEqual([
      'id',
      'expiresAt',
      'expiresIn',
      'attemptsLeft',
      'method',
      'methods',
    ]);
    const checked = await http.post('/2factor/check', body, { 'x-user': 'gwen' });
    expect(checked.body).toHaveProperty('resendAt');
    expect(await http.post('/2factor/resend', body as object, { 'x-user': 'gwen' })).toBeProblem(
      409,
      'method-not-allowed',
    );
  });

  it('sends a code when the person has no app, or names the code', async () => {
    await enrolApp(http, 'bea');
    const expected = { method: 'code', codeLength: 20, maskedToken: expect.any(String) };

    const without = await request('nora', { purpose: 'login' });
    const named = await request('bea', { purpose: 'login', method: 'code' });

    expect(without.body).toMatchObject({ ...expected, methods: ['code'] });
    expect(named.body).toMatchObject({ ...expected, methods: ['totp', 'code', 'recovery'] });
    const { id } = named.body as { id: string };
    expect(await confirm('bea', { id, code: http.inbox.lastCode })).toMatchObject({ status: 200 });
  });

  it('narrows the confirmation to a recovery code when the client names that', async () => {
    const { recoveryCodes, app } = await enrolApp(http, 'cleo');

    const { body } = await request('cleo', { purpose: 'login', method: 'recovery' });

    const { id } = body as { id: string };
    expect(await http.row(id)).toMatchObject({ methods: ',recovery,', codeMac: null });
    expect(await confirm('cleo', { id, method: 'totp', code: app.code() })).toMatchObject({
      status: 409,
      body: { error: 'method-not-allowed' },
    });
    expect(await confirm('cleo', { id, code: '123456' })).toMatchObject({
      status: 409,
      body: { error: 'method-not-allowed' },
    });
    expect(await http.post('/2factor/resend', { id }, { 'x-user': 'cleo' })).toMatchObject({
      status: 409,
      body: { error: 'method-not-allowed' },
    });
    expect(await confirm('cleo', { id, method: 'recovery', code: recoveryCodes[0] })).toMatchObject(
      {
        status: 200,
      },
    );
  });

  it('answers 403 with no-method when the person has none of the methods', async () => {
    const answer = await request('nora', { purpose: 'app-only' });

    expect(answer).toMatchObject({ status: 403, body: { error: 'no-method' } });
  });

  it('asks the function of a purpose what a person who has an app may use', async () => {
    await enrolApp(http, 'dora');

    const withApp = await request('dora', { purpose: 'strict' });
    const withoutApp = await request('nora', { purpose: 'strict' });

    expect(withApp.body).toMatchObject({ method: 'totp', methods: ['totp'] });
    expect(withoutApp.body).toMatchObject({ method: 'code', methods: ['code'] });
    const named = await request('dora', { purpose: 'strict', method: 'code' });
    expect(named).toMatchObject({ status: 409, body: { error: 'method-not-allowed' } });
  });

  it('answers 500 when the function of a purpose returns what is not configured', async () => {
    expect(await request('ann', { purpose: 'wrong' })).toMatchObject({
      status: 500,
      body: { error: 'invalid-configuration' },
    });
  });

  it.each(['totp', 'recovery', 'passkey', 'x'])(
    'refuses %s for a purpose without methods',
    async (method) => {
      expect(await request('ann', { purpose: 'plain', method })).toMatchObject({
        status: 409,
        body: { error: 'method-not-allowed' },
      });
    },
  );

  it('answers without methods for a purpose without methods', async () => {
    const { body } = await request('nora', { purpose: 'plain' });

    expect(Object.keys(body as object).toSorted()).toEqual([
      'attemptsLeft',
      'codeLength',
      'expiresAt',
      'expiresIn',
      'id',
      'maskedToken',
      'resendAt',
      'resendIn',
    ]);
  });

  it('refuses an unknown method, and does not repeat its name', async () => {
    const { body } = await request('ann', { purpose: 'app-only' });
    const { id } = body as { id: string };

    expect(await confirm('ann', { id, method: 'passkey', code: '123456' })).toMatchObject({
      status: 400,
      body: { error: 'invalid-request' },
    });
    expect(await confirm('ann', { id, method: '\n<script>', code: '123456' })).toMatchObject({
      status: 400,
    });
    expect(await http.row(id)).toMatchObject({ attempts: 0 });
  });

  it('answers 404 to a person who confirms the confirmation of another one', async () => {
    const { body } = await request('ann', { purpose: 'app-only' });
    const { id } = body as { id: string };
    const { app } = await enrolApp(http, 'eve');

    for (const method of ['totp', 'recovery']) {
      const code = method === 'totp' ? app.code() : 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P';
      expect(await confirm('eve', { id, method, code })).toMatchObject({ status: 404 });
    }
    expect(await http.row(id)).toMatchObject({ attempts: 0 });
  });

  it('lets an app confirm while the codes of the subject are locked', async () => {
    const { app } = await enrolApp(http, 'fay');
    for (let round = 0; round < 2; round += 1) {
      const { id } = await http.confirmer.makeConfirmation({ subject: 'fay', purpose: 'login' });
      for (let count = 0; count < 5; count += 1) await http.confirmer.confirm(id, '000000');
    }
    await expect(
      http.confirmer.makeConfirmation({ subject: 'fay', purpose: 'login' }),
    ).rejects.toMatchObject({ code: 'too-many-requests' });

    const { body } = await request('fay', { purpose: 'login' });

    const { id } = body as { id: string };
    expect(await confirm('fay', { id, method: 'totp', code: app.code() })).toMatchObject({
      status: 200,
    });
  });

  it('shows no id of a factor in its answers', async () => {
    const [app] = await factorsOf(http).list({ subject: 'ann' });
    const { text } = await request('ann', { purpose: 'login' });

    expect(text).not.toContain(app!.id);
  });
});

describe('Methods without a sender', () => {
  const start = (names: readonly (keyof typeof purposes)[]): Promise<HttpTestApp> =>
    startHttpApp({
      options: {
        controller: true,
        methods: METHODS,
        senders: {},
        purposes: Object.fromEntries(names.map((name) => [name, purposes[name]])),
      },
    });

  it('confirm when no purpose may send a code', async () => {
    const http = await start(['app-only']);
    const { app, subject: user } = await enrolApp(http, 'ann');
    const caller = { 'x-user': user };

    const { body } = await http.post(
      '/2factor/request-confirmation',
      { purpose: 'app-only' },
      caller,
    );
    const { id } = body as { id: string };
    const answer = await http.post(
      '/2factor/confirm',
      { id, method: 'totp', code: app.code() },
      caller,
    );

    expect(answer).toMatchObject({ status: 200, body: { id, confirmed: true } });
    await http.close();
  });

  it.each(['login', 'strict', 'plain'] as const)(
    'are refused at boot when the purpose %s may send a code',
    async (name) => {
      await expect(start(['app-only', name])).rejects.toThrow(
        'The controller is on, and there is no sender to deliver its codes',
      );
    },
  );
});
