// Passkeys over HTTP: what a browser is asked, what a client may name, and what a missing package means for the boot.
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import {
  FactorService,
  type PasskeyRequestOptions,
  type PurposeDefinition,
} from '../../lib/index.js';
import { passkeys } from '../../lib/methods/passkey/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/index.js';
import { enrolApp } from '../support/authenticator.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { enrolPasskey, PASSKEY_METHODS, PASSKEY_OPTIONS } from '../support/passkeys.js';
import { startApp } from '../support/test-app.js';
import { header } from './controller-fixtures.js';

const subject = (context: ExecutionContext): string | undefined => header(context, 'x-user');
const recipient = (context: ExecutionContext): string => `${subject(context)}@example.com`;
const purposes = {
  login: { subject, recipient, methods: ['passkey', 'totp', 'code', 'recovery'] },
  plain: { subject, recipient },
  phone: { subject, recipient: 'client' },
  factors: { subject, recipient },
} satisfies Record<string, PurposeDefinition>;

describe('Passkeys over HTTP', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp({
      options: { controller: true, methods: PASSKEY_METHODS, purposes, limits: {} },
    });
  });
  afterAll(() => http.close());

  const post = (route: string, user: string, body: object): Promise<Answer> =>
    http.post(`/2factor/${route}`, body, { 'x-user': user });
  const request = async (user: string, body: object = {}): Promise<{ id: string }> =>
    (await post('request-confirmation', user, { purpose: 'login', ...body })).body as {
      id: string;
    };
  const challenge = async (user: string, id: string): Promise<PasskeyRequestOptions> =>
    (await post('challenge', user, { id, method: 'passkey' })).body as PasskeyRequestOptions;

  it('confirm by what the browser answered to the challenge', async () => {
    const { authenticator, factorId } = await enrolPasskey(http, 'ann');
    const sent = http.inbox.deliveries.length;
    const { id, ...requested } = await request('ann');

    expect(requested).toMatchObject({
      method: 'passkey',
      methods: ['passkey', 'code', 'recovery'],
    });
    expect(http.inbox.deliveries).toHaveLength(sent);
    const options = await challenge('ann', id);
    expect(options).toMatchObject({ rpId: 'acme.example', userVerification: 'required' });
    expect(JSON.stringify(options)).not.toContain(factorId);
    const forged = authenticator.get(options, 'wrong-origin');
    expect(await post('confirm', 'ann', { id, method: 'passkey', response: forged })).toMatchObject(
      { status: 422, body: { error: 'code-mismatch', attemptsLeft: 5 } },
    );
    const response = authenticator.get(options);
    expect(await post('confirm', 'ann', { id, method: 'passkey', response })).toMatchObject({
      status: 200,
      body: { id, confirmed: true },
    });
    expect(await post('check', 'ann', { id })).toMatchObject({
      body: { status: 'confirmed', confirmedBy: 'passkey' },
    });
    expect(await post('challenge', 'ann', { id, method: 'passkey' })).toMatchObject({
      status: 409,
      body: { error: 'already-confirmed' },
    });
  });

  it('say in development why an assertion and a registration are refused, and in production nothing of it', async () => {
    const { authenticator } = await enrolPasskey(http, 'faye');
    const { id } = await request('faye');
    const forged = authenticator.get(await challenge('faye', id), 'wrong-origin');
    const { factor, options } = await http.app
      .get(FactorService, { strict: false })
      .enrol({ subject: 'faye', method: 'passkey' });
    const other = new SoftwareAuthenticator({ origin: 'https://evil.example' });
    const activation = { factor: factor.id, response: other.create(options) };
    const answers = async (): Promise<readonly (readonly [number, string | undefined])[]> => {
      const confirm = { id, method: 'passkey', response: forged };
      const both = [
        await post('confirm', 'faye', confirm),
        await post('factors/activate', 'faye', activation),
      ];
      return both.map(({ status, body }) => [status, (body as { detail?: string }).detail]);
    };

    vi.stubEnv('NODE_ENV', 'development');
    const because = 'was refused: origin, which means that it was signed on a page that is not';
    expect(await answers()).toStrictEqual([
      [422, `An assertion ${because} among the origins.`],
      [422, `A registration ${because} among the origins.`],
    ]);
    vi.stubEnv('NODE_ENV', 'production');
    expect(await answers()).toStrictEqual([
      [422, undefined],
      [422, undefined],
    ]);
    vi.unstubAllEnvs();
  });

  it('say why the counter of a passkey that may have been copied is refused', async () => {
    const { authenticator } = await enrolPasskey(http, 'gwen');
    const confirm = async (fault?: 'counter-backwards'): Promise<Answer> => {
      const { id } = await request('gwen');
      const response = authenticator.get(await challenge('gwen', id), fault);
      return post('confirm', 'gwen', { id, method: 'passkey', response });
    };
    expect(await confirm()).toMatchObject({ status: 200 });
    vi.stubEnv('NODE_ENV', 'development');
    const { status, body } = await confirm('counter-backwards');
    vi.unstubAllEnvs();
    expect([status, (body as { detail?: string }).detail]).toStrictEqual([
      422,
      'An assertion was refused: counter, which means that the counter did not advance, so that the passkey may have been copied.',
    ]);
  });

  it('narrow a confirmation when the client names them, without a code and past a lock', async () => {
    const { authenticator } = await enrolPasskey(http, 'bea');
    for (let round = 0; round < 2; round += 1) {
      const { id } = await request('bea', { method: 'code' });
      for (let count = 0; count < 5; count += 1) {
        await post('confirm', 'bea', { id, code: 'WRONGCODE' });
      }
    }
    expect(
      await post('request-confirmation', 'bea', { purpose: 'login', method: 'code' }),
    ).toMatchObject({ status: 429 });

    const { id } = await request('bea', { method: 'passkey' });

    expect(await http.row(id)).toMatchObject({ methods: ',passkey,', codeMac: null });
    const response = authenticator.get(await challenge('bea', id));
    expect(await post('confirm', 'bea', { id, method: 'passkey', response })).toMatchObject({
      status: 200,
    });
  });

  it('answer 404 to a person who asks for the challenge of another one', async () => {
    await enrolPasskey(http, 'cleo');
    const { id } = await request('cleo');

    for (const body of [
      { id, method: 'passkey' },
      { id: '0'.repeat(36), method: 'passkey' },
    ]) {
      expect(await post('challenge', 'eve', body)).toMatchObject({
        status: 404,
        body: { error: 'not-found' },
      });
    }
  });

  it('are refused where the purpose or the person has none', async () => {
    await enrolPasskey(http, 'dora');
    await enrolApp(http, 'app-only');
    const plain = (await post('request-confirmation', 'dora', { purpose: 'plain' })).body as {
      id: string;
    };
    const { id } = await request('app-only');

    for (const [user, confirmation, method] of [
      ['dora', plain.id, 'passkey'],
      ['app-only', id, 'passkey'],
      ['app-only', id, 'totp'],
    ] as const) {
      expect(await post('challenge', user, { id: confirmation, method })).toMatchObject({
        status: 409,
        body: { error: 'method-not-allowed' },
      });
    }
  });

  it.each([
    undefined,
    null,
    'text',
    [],
    {},
    { id: 'x', rawId: 'x', type: 'public-key' },
    { id: 'x', rawId: 'x', type: 'public-key', response: { clientDataJSON: 'x'.repeat(9_000) } },
  ])('refuse a malformed response with 400, and charge nothing: %#', async (response) => {
    const user = `malformed-${JSON.stringify(response)}`.slice(0, 60);
    await enrolPasskey(http, user);
    const { id } = await request(user);

    expect(await post('confirm', user, { id, method: 'passkey', response })).toMatchObject({
      status: 400,
      body: { error: 'invalid-request' },
    });
    expect(await http.row(id)).toMatchObject({ attempts: 0 });
  });

  it.each<[string, object, string]>([
    ['confirm', {}, 'The body lacks code.'],
    ['confirm', { response: {} }, 'The body lacks method.'],
    ['confirm', { response: { id: 'x' }, method: null }, 'The body lacks method.'],
    ['confirm', { method: 'code', response: {} }, 'The body lacks code.'],
    ['confirm', { method: 'totp' }, 'The method totp confirms by code, which is missing.'],
    ['confirm', { method: 'recovery' }, 'The method recovery confirms by code, which is missing.'],
    [
      'confirm',
      { method: 'passkey', code: '123456' },
      'The method passkey confirms by response, which is missing.',
    ],
    [
      'confirm',
      { method: 'device' },
      'The request brings no token of a remembered device. Confirm by another method.',
    ],
    ['confirm', { id: undefined, code: '123456' }, 'The body lacks id.'],
    ['challenge', {}, 'The body lacks method.'],
    ['challenge', { id: null }, 'The body lacks id, method.'],
    ['check', { id: undefined }, 'The body lacks id.'],
    ['resend', { id: undefined, way: 'sms' }, 'The body lacks id.'],
    ['request-confirmation', {}, 'The body lacks purpose.'],
    ['request-confirmation', { purpose: 'phone' }, 'The body lacks token.'],
    ['factors/enrol', {}, 'The body lacks method.'],
    ['factors/activate', {}, 'The body lacks factor, response.'],
    ['factors/remove', { allowLast: 1 }, 'The body lacks factor.'],
    ['factors/rename', { label: 'x' }, 'The body lacks factor.'],
  ])('name what is missing where a client sends to %s the body %j', async (route, body, detail) => {
    // Each row has a person of its own, because pending confirmations of one are limited.
    const user = `nora-${detail}-${JSON.stringify(body)}`.replaceAll(/[^a-z]+/gi, '-').slice(0, 60);
    const { id } = await request(user);
    const isAboutConfirmation = !route.startsWith('request') && !route.startsWith('factors');

    const answer = await post(route, user, { ...(isAboutConfirmation && { id }), ...body });

    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid-request', detail } });
    expect(await http.row(id)).toMatchObject({ attempts: 0 });
  });
});

describe('The challenge route without methods', () => {
  it('answers 404 to every body, without a statement', async () => {
    const http = await startHttpApp({ options: { controller: true } });
    const { id } = await http.request();

    const statements = await http.log.during(async () => {
      const body = { id, method: 'passkey' };
      expect(await http.post('/2factor/challenge', body)).toMatchObject({ status: 404 });
    });

    expect(statements).toEqual([]);
    await http.close();
  });
});

describe('The package @simplewebauthn/server', () => {
  const name = '@simplewebauthn/server';
  const loaded = vi.fn<() => never>(() => {
    throw new Error(`Cannot find package '${name}'`);
  });
  afterEach(() => {
    vi.doUnmock(name);
    loaded.mockClear();
  });

  it('fails the boot with the command to install it when passkeys are configured without it', async () => {
    vi.doMock(name, loaded);

    await expect(startApp({ options: { methods: [passkeys(PASSKEY_OPTIONS)] } })).rejects.toThrow(
      'npm install @simplewebauthn/server',
    );
  });

  it('is not loaded when passkeys are not configured', async () => {
    vi.doMock(name, loaded);

    const test = await startApp({});
    await test.close();

    expect(loaded).not.toHaveBeenCalled();
  });
});
