import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorRecipientError } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { SECRET } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { ROUTES, inSeconds, startControllerApp } from './controller-fixtures.js';

const ID = expect.stringMatching(/^[0-9a-v]{36}$/) as string;

/** The members of an answer that are times, each also in seconds from the answer on. */
function timesOf(
  app: HttpTestApp,
  { expiresIn, resendIn }: { readonly expiresIn: number; readonly resendIn: number },
): object {
  const times = { expiresAt: inSeconds(app, expiresIn), resendAt: inSeconds(app, resendIn) };
  return { ...times, expiresIn, resendIn };
}

describe.each(adapters)('The bundled controller on $name', ({ create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startControllerApp(create());
  });
  afterAll(() => app.close());

  describe.each(['', '/'])('with "%s" at the end of its paths', (slash) => {
    it('answers a request with exactly the documented members, and sends the code', async () => {
      const answer = await app.post(`/2factor/request-confirmation${slash}`, {
        token: 'ann@example.com',
      });
      const times = timesOf(app, { expiresIn: 600, resendIn: 30 });
      expect(answer.body).toStrictEqual({
        id: ID,
        ...times,
        attemptsLeft: 5,
        codeLength: 20,
        maskedToken: 'a***@e***.com',
      });
      expectSuccess(answer);
      const { id } = answer.body as { id: string };
      expect(app.inbox.deliveries.at(-1)).toMatchObject({
        token: 'ann@example.com',
        name: 'default',
        state: { id },
      });
    });

    it('answers a right code with exactly the documented members', async () => {
      const { id, code } = await app.request();
      const answer = await app.post(`/2factor/confirm${slash}`, { id, code });
      expect(answer.body).toStrictEqual({ id, confirmed: true });
      expectSuccess(answer);
      expect(await app.row(id)).toMatchObject({ attempts: 1, confirmedAt: app.clock.now() });
    });

    it('answers a resend like a request, and sends the same code', async () => {
      const { id, code } = await app.request();
      app.clock.advance(30);
      const sent = app.inbox.deliveries.length;
      const answer = await app.post(`/2factor/resend${slash}`, { id });
      expect(answer.body).toStrictEqual({
        id,
        ...timesOf(app, { expiresIn: 570, resendIn: 60 }),
        attemptsLeft: 5,
        codeLength: 20,
        maskedToken: 'a***@e***.com',
      });
      expectSuccess(answer);
      expect(app.inbox.deliveries).toHaveLength(sent + 1);
      expect(app.inbox.lastCode).toBe(code);
    });

    it('answers a check with exactly the documented members, and changes nothing', async () => {
      const { id, code } = await app.request();
      await app.post('/2factor/confirm', { id, code: WRONG_CODE });
      const before = await app.row(id);
      const times = timesOf(app, { expiresIn: 600, resendIn: 30 });
      const pending = await app.post(`/2factor/check${slash}`, { id });
      expect(pending.body).toStrictEqual({ id, status: 'pending', attemptsLeft: 4, ...times });
      expectSuccess(pending);
      expect(await app.row(id)).toStrictEqual(before);

      await app.post('/2factor/confirm', { id, code });
      const confirmed = await app.post(`/2factor/check${slash}`, { id });
      expect(confirmed.body).toStrictEqual({ id, status: 'confirmed', attemptsLeft: 3, ...times });
    });

    it('counts whole seconds from the answer on: down to the expiry, up to the next message, and never below 0', async () => {
      const { id } = await app.request();
      const left = async (): Promise<object> => {
        const { body } = await app.post(`/2factor/check${slash}`, { id });
        const { expiresIn, resendIn } = body as { expiresIn: number; resendIn: number };
        return { expiresIn, resendIn };
      };

      app.clock.advance(0.25);
      expect(await left()).toStrictEqual({ expiresIn: 599, resendIn: 30 });
      app.clock.advance(29.5);
      expect(await left()).toStrictEqual({ expiresIn: 570, resendIn: 1 });
      app.clock.advance(600);
      expect(await left()).toStrictEqual({ expiresIn: 0, resendIn: 0 });
    });
  });

  it.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'has nothing at %s, for scanners of links to find',
    async (method) => {
      const { id, code } = await app.request();
      const before = await app.row(id);
      const hasBody = !['GET', 'HEAD'].includes(method);
      // Nest repeats the address it does not know, so it holds no issued code.
      const query = String(new URLSearchParams({ id, code: WRONG_CODE, token: 'ann@example.com' }));
      for (const route of ROUTES) {
        for (const slash of ['', '/']) {
          const path = `/2factor/${route}${slash}?${query}`;
          const answer = await app.call(path, {
            method,
            headers: {
              'x-http-method-override': 'POST',
              ...(hasBody && { 'content-type': 'application/json' }),
            },
            ...(hasBody && { body: JSON.stringify({ id, code }) }),
          });
          expect([404, 405]).toContain(answer.status);
        }
      }
      expect(await app.row(id)).toStrictEqual(before);
    },
  );

  describe('confirming', () => {
    it.each([
      ['blanks', (code: string) => ` ${code.slice(0, 5)} ${code.slice(5)} `],
      ['no-break spaces', (code: string) => code.replace(/(.{5})/g, '$1\u00a0')],
      ['dashes', (code: string) => `${code.slice(0, 3)}-${code.slice(3)}`],
      ['line breaks and tabs', (code: string) => `\t${code.slice(0, 3)}\r\n${code.slice(3)}\n`],
      ['a zero-width space', (code: string) => `\u200b${code}`],
      ['direction marks', (code: string) => `\u2067${code}\u2069\u200f`],
    ])('accepts a code with %s', async (_, decorated) => {
      const { id, code } = await app.request();
      const answer = await app.post('/2factor/confirm', { id, code: decorated(code) });
      expect(answer.body).toStrictEqual({ id, confirmed: true });
    });

    it.each(['confirm', 'resend', 'check'])('answers 404 to %s of an unknown id', async (route) => {
      const body = { id: UNKNOWN_ID, code: WRONG_CODE };
      expect(await app.post(`/2factor/${route}`, body)).toBeProblem(404, 'not-found');
    });

    it('counts five wrong codes down, and then refuses the right one too', async () => {
      const { id, code } = await app.request();
      for (const attemptsLeft of [4, 3, 2, 1, 0]) {
        const answer = await app.post('/2factor/confirm', { id, code: WRONG_CODE });
        expect(answer).toBeProblem(422, 'code-mismatch', { attemptsLeft });
      }
      for (const each of [WRONG_CODE, code]) {
        const answer = await app.post('/2factor/confirm', { id, code: each });
        expect(answer).toBeProblem(410, 'attempts-exhausted');
      }
      app.clock.advance(30);
      expect(await app.post('/2factor/resend', { id })).toBeProblem(410, 'attempts-exhausted');
      expect(await app.row(id)).toMatchObject({ attempts: 5, sends: 1, confirmedAt: null });
      const { body } = await app.post('/2factor/check', { id });
      expect(body).toMatchObject({ status: 'locked', attemptsLeft: 0 });
    });

    it('evaluates only five of twenty wrong codes that arrive concurrently', async () => {
      const { id, code } = await app.request();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => app.post('/2factor/confirm', { id, code: WRONG_CODE })),
      );
      expect(answers.filter(({ status }) => status !== 422 && status !== 410)).toStrictEqual([]);
      expect(await app.row(id)).toMatchObject({ attempts: 5 });
      const answer = await app.post('/2factor/confirm', { id, code });
      expect(answer).toBeProblem(410, 'attempts-exhausted');
    });

    it('confirms for one of twenty calls with the right code', async () => {
      const { id, code } = await app.request();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => app.post('/2factor/confirm', { id, code })),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      const others = answers.filter(({ status }) => status !== 200);
      for (const answer of others) expect(answer).toBeProblem(409, 'already-confirmed');
    });

    it('refuses a code twice, and after its use', async () => {
      const { id, code } = await app.request();
      await app.post('/2factor/confirm', { id, code });
      for (const path of ['/2factor/confirm', '/2factor/resend']) {
        expect(await app.post(path, { id, code })).toBeProblem(409, 'already-confirmed');
      }
      expect(await app.confirmer.use(id)).toBe(true);
      for (const path of ['/2factor/confirm', '/2factor/resend']) {
        expect(await app.post(path, { id, code })).toBeProblem(409, 'already-used');
      }
      expect(await app.row(id)).toMatchObject({ attempts: 1, sends: 1 });
      const { body } = await app.post('/2factor/check', { id });
      expect(body).toMatchObject({ id, status: 'used' });
    });

    it('refuses an expired one, and charges nothing', async () => {
      const { id, code } = await app.request();
      app.clock.advance(600);
      const before = await app.row(id);
      expect(await app.post('/2factor/confirm', { id, code })).toBeProblem(410, 'expired');
      expect(await app.post('/2factor/resend', { id })).toBeProblem(410, 'expired');
      expect(await app.row(id)).toStrictEqual(before);
    });

    it('refuses a cancelled one, and charges nothing', async () => {
      const { id, code } = await app.request();
      await app.confirmer.cancel(id);
      const before = await app.row(id);
      expect(await app.post('/2factor/confirm', { id, code })).toBeProblem(410, 'cancelled');
      expect(await app.post('/2factor/resend', { id })).toBeProblem(410, 'cancelled');
      expect(await app.row(id)).toStrictEqual(before);
    });

    it('refuses the code of another confirmation', async () => {
      const other = await app.request();
      const { id } = await app.request();
      const answer = await app.post('/2factor/confirm', { id, code: other.code });
      expect(answer).toBeProblem(422, 'code-mismatch', { attemptsLeft: 4 });
    });

    it('refuses one whose secret is gone from the ring', async () => {
      const { id, code } = await app.request();
      const other = await startHttpApp({
        adapter: create(),
        options: { controller: true, secret: SECRET.toLowerCase() },
        dataSource: { type: 'sqljs', database: app.dataSource.sqljsManager.exportDatabase() },
      });
      try {
        other.clock.advance((app.clock.now() - other.clock.now()) / 1_000 + 30);
        expect(await other.post('/2factor/confirm', { id, code })).toBeProblem(
          410,
          'unknown-secret',
        );
        expect(await other.post('/2factor/resend', { id })).toBeProblem(410, 'unknown-secret');
        expect(other.inbox.deliveries).toStrictEqual([]);
        expect(await other.row(id)).toMatchObject({ attempts: 1, sends: 1, confirmedAt: null });
      } finally {
        await other.close();
      }
    });
  });

  describe('sending', () => {
    it('refuses to resend before the end of the cooldown, and answers when it ends', async () => {
      const { id } = await app.request();
      app.clock.advance(0.5);
      const sent = app.inbox.deliveries.length;
      const early = await app.post('/2factor/resend', { id });
      expect(early).toBeProblem(429, 'too-many-requests', { retryAfter: 30 });
      app.clock.advance(28.5);
      const late = await app.post('/2factor/resend', { id });
      expect(late).toBeProblem(429, 'too-many-requests', { retryAfter: 1 });
      expect(app.inbox.deliveries).toHaveLength(sent);
      app.clock.advance(1);
      expect(await app.post('/2factor/resend', { id })).toMatchObject({ status: 200 });
    });

    it('refuses a sixth message for good', async () => {
      const { id } = await app.request();
      for (const seconds of [30, 60, 120, 300]) {
        app.clock.advance(seconds);
        expect(await app.post('/2factor/resend', { id })).toMatchObject({ status: 200 });
      }
      const sent = app.inbox.deliveries.length;
      expect(await app.post('/2factor/resend', { id })).toBeProblem(429, 'too-many-requests');
      expect(app.inbox.deliveries).toHaveLength(sent);
      expect(await app.row(id)).toMatchObject({ sends: 5 });
    });

    it('answers with the id and the time of a resend after the provider failed', async () => {
      app.inbox.failNext(new Error('the provider is down'));
      const body = { token: 'ann@example.com' };
      const failed = await app.post('/2factor/request-confirmation', body);
      const again = { id: ID, resendAt: inSeconds(app, 5), retryAfter: 5 };
      expect(failed).toBeProblem(503, 'send-failed', again);
      expect(failed.text).not.toContain('provider');

      const { id } = failed.body as { id: string };
      const early = await app.post('/2factor/resend', { id });
      expect(early).toBeProblem(429, 'too-many-requests', { retryAfter: 5 });
      app.clock.advance(5);
      expect(await app.post('/2factor/resend', { id })).toMatchObject({ status: 200 });
      const confirmed = await app.post('/2factor/confirm', { id, code: app.inbox.lastCode });
      expect(confirmed.body).toStrictEqual({ id, confirmed: true });
    });

    it('computes the time of the next resend after a failed one by the clock of the module', async () => {
      const { id } = await app.request();
      app.clock.advance(30);
      app.inbox.failNext(new Error('the provider is down'));
      const failed = await app.post('/2factor/resend', { id });
      const again = { id, resendAt: inSeconds(app, 60), retryAfter: 60 };
      expect(failed).toBeProblem(503, 'send-failed', again);
    });

    it('refuses a recipient for good when the backend does', async () => {
      app.inbox.failNext(new TwoFactorRecipientError('ann@example.com is on no list'));
      const answer = await app.post('/2factor/request-confirmation', { token: 'ann@example.com' });
      expect(answer).toBeProblem(422, 'recipient-not-allowed');
    });

    it('sends by the requested sender, and resends by the same one', async () => {
      const { id } = await app.request({ token: 'ann@example.com', way: 'email' });
      expect(app.inbox.deliveries.at(-1)).toMatchObject({ name: 'email' });
      app.clock.advance(30);
      await app.post('/2factor/resend', { id, way: 'default', token: 'eve@example.com' });
      expect(app.inbox.deliveries.at(-1)).toMatchObject({
        name: 'email',
        token: 'ann@example.com',
      });
    });
  });
});

function expectSuccess(answer: Answer): void {
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/);
  expect(answer.headers['cache-control']).toBe('no-store');
}
