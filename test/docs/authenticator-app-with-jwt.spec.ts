import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { totpCode } from '../../lib/testing/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { listen } from '../support/listen.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/authenticator-app-with-jwt.md');
/** With letters that no header carries, and with a sign that encodes others. */
const PASSWORD = 'richtig Pferd ü Пароль 100%';
const PAYMENT = { amount: '10.00', payee: 'Bob' };

interface Users {
  add(user: { id: string; name: string; phone: string }, password: string): Promise<void>;
}

interface Answer {
  readonly id: string;
  readonly method: string;
  readonly methods: string[];
  readonly accessToken: string;
  readonly secondStep: string;
  readonly secret: string;
  readonly uri: string;
  readonly recoveryCodes: string[];
  readonly factor: { readonly id: string };
}

/** Half a minute later an app shows the next code. */
function codeOf(secret: string): string {
  vi.setSystemTime(Date.now() + 30_000);
  return totpCode(secret, { now: () => Date.now() });
}

beforeAll(() => writePage(page));

describe.each(['express', 'fastify'])('JWT and an authenticator app, on %s', (platform) => {
  let guide: Guide;

  async function start(input: { file?: string; module?: string } = {}): Promise<void> {
    const adapter = platform === 'fastify' ? { adapter: new FastifyAdapter() } : {};
    guide = await startGuide(page, { ...input, ...adapter });
    if (platform === 'fastify') {
      await (guide.app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    }
    const { UsersService } = await load<{ UsersService: new () => Users }>(
      page,
      'users.service.ts',
    );
    await guide.app
      .get(UsersService)
      .add({ id: 'user-1', name: 'ann', phone: '+14155550123' }, PASSWORD);
  }

  beforeEach(() => {
    // The time stands still, so that no code ends between the app and the server.
    vi.useFakeTimers({ toFake: ['Date'] });
    return start();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await guide.close();
  });

  const post = (path: string, body: object = {}, token = '', proof = '') => {
    const call = guide.post(path, body).auth(token, { type: 'bearer' });
    return proof === '' ? call : call.set('X-Confirmation-Id', proof);
  };
  const ask = async (...call: Parameters<typeof post>): Promise<Answer> => {
    const { body } = await post(...call).expect(200);
    return body as Answer;
  };
  const login = () => ask('/login', { name: 'ann', password: PASSWORD });
  const balance = (token: string) =>
    request(guide.app.getHttpServer() as string)
      .get('/balance')
      .auth(token, { type: 'bearer' });

  async function proofFor(body: object, token: string, response: object): Promise<string> {
    const { id } = await ask('/2factor/request-confirmation', body, token);
    await ask('/2factor/confirm', { id, ...response }, token);
    return id;
  }

  const enrolment = { purpose: 'factors', details: { change: 'enrol', method: 'totp' } };

  async function switchOn(accessToken: string) {
    const asked = await ask('/2factor/request-confirmation', enrolment, accessToken);
    expect(asked.method).toBe('code');
    const proof = asked.id;
    await ask('/2factor/confirm', { id: proof, code: guide.lastCode() }, accessToken);
    const given = { method: 'totp', account: 'ann' };
    const begun = await ask('/2factor/factors/enrol', given, accessToken, proof);
    expect(begun.uri).toMatch(/^otpauth:\/\/totp\/Example:ann\?/);
    // What was only begun switches nothing on.
    expect(await login()).toEqual({ accessToken: expect.any(String) as string });
    const { secret, factor } = begun;
    const first = { factor: factor.id, response: codeOf(secret) };
    const { recoveryCodes } = await ask('/2factor/factors/activate', first, accessToken);
    return { secret, recoveryCodes, factor: factor.id };
  }

  it('asks for the app once it is switched on, and for nothing after it was switched off with a proof', async () => {
    await post('/login', { name: 'ann', password: 'wrong' }).expect(401);
    const { accessToken } = await login();
    await balance(accessToken).expect(200);
    const { secret, factor } = await switchOn(accessToken);

    const { secondStep, ...rest } = await login();
    expect(rest).toEqual({});
    const asked = await ask('/2factor/request-confirmation', { purpose: 'login' }, secondStep);
    expect(asked).toEqual({
      id: asked.id,
      expiresAt: expect.any(String) as string,
      expiresIn: expect.any(Number) as number,
      attemptsLeft: 5,
      method: 'totp',
      methods: ['totp', 'recovery'],
    });
    const { id } = asked;
    await post('/login/second-step', {}, secondStep, id).expect(403);
    await ask('/2factor/confirm', { id, method: 'totp', code: codeOf(secret) }, secondStep);
    const second = await ask('/login/second-step', {}, secondStep, id);
    await balance(second.accessToken).expect(200);

    // A session alone switches nothing off, and neither does a proof for one of several apps.
    await post('/2factor/factors/remove', { factor, allowLast: true }, accessToken).expect(403);
    const removal = { change: 'remove', factor, allowLast: true };
    const proof = await proofFor({ purpose: 'factors', details: removal }, second.accessToken, {
      method: 'totp',
      code: codeOf(secret),
    });
    await post('/2factor/factors/remove', { factor }, accessToken, proof).expect(403);
    await ask('/2factor/factors/remove', { factor, allowLast: true }, accessToken, proof);
    expect(await login()).toEqual({ accessToken: expect.any(String) as string });
    const left = await ask('/2factor/factors/list', {}, accessToken);
    expect(left).toEqual({ factors: [] });
  });

  it('signs in by a recovery code, once', async () => {
    const { accessToken } = await login();
    const { recoveryCodes } = await switchOn(accessToken);
    const [code] = recoveryCodes;
    const { secondStep } = await login();

    const id = await proofFor({ purpose: 'login' }, secondStep, { method: 'recovery', code });
    await ask('/login/second-step', {}, secondStep, id);

    await post('/login/second-step', {}, secondStep, id).expect(409);
    const again = await ask('/2factor/request-confirmation', { purpose: 'login' }, secondStep);
    const repeated = { id: again.id, method: 'recovery', code };
    const { status } = await post('/2factor/confirm', repeated, secondStep);
    expect(status).toBe(422);
  });

  it('accepts each token for its own step alone', async () => {
    const { accessToken } = await login();
    const { secret } = await switchOn(accessToken);
    const { secondStep } = await login();

    await balance(secondStep).expect(401);
    for (const purpose of ['factors', 'payment']) {
      await post('/2factor/request-confirmation', { purpose }, secondStep).expect(403);
    }
    await post('/2factor/factors/list', {}, secondStep).expect(403);
    await post('/2factor/request-confirmation', { purpose: 'login' }, accessToken).expect(403);
    await post('/2factor/request-confirmation', { purpose: 'login' }).expect(403);
    const { id } = await ask('/2factor/request-confirmation', { purpose: 'login' }, secondStep);
    const confirmation = { id, method: 'totp', code: codeOf(secret) };
    await post('/2factor/confirm', confirmation).expect(404);
    await post('/2factor/confirm', confirmation, accessToken).expect(404);
    await ask('/2factor/confirm', confirmation, secondStep);
    const { status } = await post('/login/second-step', {}, accessToken, id);
    expect(status).toBe(403);
  });

  it('approves a payment by the app, for its details alone', async () => {
    const { accessToken } = await login();
    const { secret } = await switchOn(accessToken);
    const body = { purpose: 'payment', details: PAYMENT };
    const response = { method: 'totp', code: codeOf(secret) };
    const proof = await proofFor(body, accessToken, response);

    await post('/payments', { ...PAYMENT, payee: 'Eve' }, accessToken, proof).expect(403);
    const other = await ask('/2factor/request-confirmation', body, accessToken);
    const spent = await post('/2factor/confirm', { ...response, id: other.id }, accessToken);
    expect(spent.status).toBe(422);
    const { body: paid } = await post('/payments', PAYMENT, accessToken, proof).expect(201);
    expect(paid).toEqual({ paid: '10.00 to Bob' });
  });

  it('adds the first app by the password once more where nothing can be sent', async () => {
    await guide.close();
    await start({ file: 'without-sending.ts', module: 'WithoutSendingModule' });
    const { accessToken } = await login();
    const enrol = (path = '/2factor/factors/enrol') =>
      post(path, { method: 'totp', account: 'ann' }, accessToken);
    await enrol().expect(403);
    for (const path of ['/2FACTOR/FACTORS/ENROL', '/2factor/factors/%65nrol']) {
      const { status } = await enrol(path).set('X-Password', 'wrong');
      expect([403, 404]).toContain(status);
    }
    // A malformed password is a wrong one, and a malformed query of another route none of the guard's.
    const malformed = await enrol().set('X-Password', '%zz');
    expect(malformed.status).toBe(403);
    const confirmed = await post('/2factor/confirm?%zz', { id: 'x', code: '1' }, accessToken);
    expect(confirmed.status).toBe(400);
    const { beginFirstApp } = await load<{
      beginFirstApp: (token: string, password: string, url: string) => Promise<Answer>;
    }>(page, 'first-app.ts');
    const url = `${await listen(guide.app)}/2factor`;
    await expect(beginFirstApp(accessToken, 'wrong', url)).rejects.toThrow('403');
    const { secret, factor } = await beginFirstApp(accessToken, PASSWORD, url);
    const first = { factor: factor.id, response: codeOf(secret) };
    await ask('/2factor/factors/activate', first, accessToken);

    const { secondStep } = await login();
    const code = codeOf(secret);
    const id = await proofFor({ purpose: 'login' }, secondStep, { method: 'totp', code });
    await ask('/login/second-step', {}, secondStep, id);
    // The second app needs a proof, and the password is none.
    const second = await enrol().set('X-Password', encodeURIComponent(PASSWORD));
    expect(second.status).toBe(403);
  });

  it('remembers a device by the proof of the app, and signs in with it', async () => {
    await guide.close();
    await start({ file: 'remembered.ts', module: 'RememberedModule' });
    const { accessToken } = await login();
    const { secret } = await switchOn(accessToken);
    const { secondStep } = await login();
    const code = codeOf(secret);
    const id = await proofFor({ purpose: 'login' }, secondStep, { method: 'totp', code });
    const path = '/login/second-step-remembered';
    const answer = await post(path, { remember: true }, secondStep, id).expect(200);
    expect(answer.body).toMatchObject({ remembered: true });
    const [cookie] = answer.headers['set-cookie'] as unknown as string[];
    expect(cookie).toMatch(/^__Host-device=.+; HttpOnly; Secure; SameSite=Lax$/);

    const { secondStep: next } = await login();
    const withDevice = (url: string, body: object) => post(url, body, next).set('cookie', cookie!);
    const asked = await withDevice('/2factor/request-confirmation', { purpose: 'login' });
    expect(asked.body).toMatchObject({ method: 'device' });
    const { id: proof } = asked.body as Answer;
    await withDevice('/2factor/confirm', { id: proof, method: 'device' }).expect(200);
    const again = await post(path, { remember: true }, next, proof).expect(200);
    expect(again.body).toMatchObject({ remembered: false });
  });
});
