// Remembered devices over HTTP: the token comes from the function of the application, and from nowhere else.
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { MethodName, PurposeDefinition } from '../../lib/index.js';
import { enrolApp } from '../support/authenticator.js';
import { DEVICES, rememberDevice } from '../support/devices.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp } from '../support/test-app.js';
import { header } from './controller-fixtures.js';

const subject = (context: ExecutionContext): string | undefined => header(context, 'x-user');
const recipient = (context: ExecutionContext): string => `${subject(context)}@example.com`;
const purposes = {
  login: { subject, recipient, methods: ['device', 'totp', 'code'] },
  factors: {
    subject,
    recipient,
    methods: (_: ExecutionContext, enrolled: readonly MethodName[]) =>
      enrolled.includes('device') ? ['device'] : ['code'],
  },
} satisfies Record<string, PurposeDefinition>;

describe('Remembered devices over HTTP', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp({
      options: { controller: true, methods: PASSKEY_METHODS, purposes, limits: {} },
    });
  });
  afterAll(() => http.close());

  const post = (route: string, user: string, body: object, device?: string): Promise<Answer> =>
    http.post(`/2factor/${route}`, body, {
      'x-user': user,
      ...(device !== undefined && { 'x-device': device }),
    });
  const request = async (
    user: string,
    device?: string,
  ): Promise<{ id: string; method: string; methods: string[] }> =>
    (await post('request-confirmation', user, { purpose: 'login' }, device)).body as {
      id: string;
      method: string;
      methods: string[];
    };

  it('confirm without a message and without a member of the body', async () => {
    const { token } = await rememberDevice(http, 'ann');
    const sent = http.inbox.deliveries.length;

    const { id, method, methods } = await request('ann', token);

    expect([method, methods]).toEqual(['device', ['device', 'code']]);
    expect(http.inbox.deliveries).toHaveLength(sent);
    const answer = await post('confirm', 'ann', { id, method: 'device' }, token);
    expect(answer).toMatchObject({ status: 200, body: { id, confirmed: true } });
  });

  it('are not offered on another device, which is asked for the next method', async () => {
    await rememberDevice(http, 'bea');
    await enrolApp(http, 'bea');
    const stranger = await rememberDevice(http, 'stranger');

    for (const device of [undefined, '', 'no token', stranger.token]) {
      http.clock.advance(601);
      expect(await request('bea', device)).toMatchObject({
        method: 'totp',
        methods: ['totp', 'code'],
      });
    }
  });

  it('are refused with a sentence when their cookie was cut short, and the attempt is not counted', async () => {
    const { token } = await rememberDevice(http, 'gil');
    const { id } = await request('gil', token);

    expect(
      await post('confirm', 'gil', { id, method: 'device' }, token.slice(0, -1)),
    ).toMatchObject({
      status: 400,
      body: {
        error: 'invalid-request',
        detail: 'The token of a remembered device is malformed. Confirm by another method.',
      },
    });
    expect(await http.row(id)).toMatchObject({ attempts: 0 });
  });

  it('take no token from a body', async () => {
    const { token } = await rememberDevice(http, 'cleo');
    const { id } = await request('cleo', token);

    const body = { id, method: 'device', token, code: token, response: { token } };
    expect(await post('confirm', 'cleo', body)).toMatchObject({
      status: 400,
      body: { error: 'invalid-request' },
    });
  });

  it('answer 422 for the device of another person, and charge nothing', async () => {
    const { token } = await rememberDevice(http, 'dora');
    const stranger = await rememberDevice(http, 'eve');
    const { id } = await request('dora', token);

    expect(await post('confirm', 'dora', { id, method: 'device' }, stranger.token)).toMatchObject({
      status: 422,
      body: { error: 'code-mismatch', attemptsLeft: 5 },
    });
  });

  it('never confirm a change of the factors, even when the function of the purpose allows it', async () => {
    const { token } = await rememberDevice(http, 'fay');

    const answer = await post('request-confirmation', 'fay', { purpose: 'factors' }, token);

    expect(answer.status).toBeGreaterThanOrEqual(400);
  });
});

describe('An application', () => {
  it('does not boot when its list of methods for the factors has devices', async () => {
    await expect(
      startApp({
        options: {
          methods: PASSKEY_METHODS,
          purposes: { factors: { subject, recipient, methods: ['device', 'totp'] } },
        },
      }),
    ).rejects.toThrow('Option purposes.factors.methods has device');
  });

  it('boots with remembered devices beside sent codes alone', async () => {
    const test = await startApp({ options: { methods: [DEVICES] } });
    const { token } = await rememberDevice(test, 'ann');

    expect(token).toHaveLength(80);
    await test.close();
  });
});
