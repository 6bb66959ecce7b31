import {
  ForbiddenException,
  Injectable,
  SetMetadata,
  UnauthorizedException,
  ValidationPipe,
  VersioningType,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector, type AbstractHttpAdapter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { tap, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  TwoFactorModule,
  TwoFactorRecipientError,
  type PurposeDefinition,
} from '../../lib/index.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import {
  adapters,
  comparable,
  startHttpApp,
  type Answer,
  type HttpTestApp,
} from '../support/http.js';
import { SECRET } from '../support/test-app.js';

const ID = expect.stringMatching(/^[0-9a-v]{36}$/) as string;
const UNKNOWN_ID = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq30';
const ROUTES = ['request-confirmation', 'confirm', 'resend', 'check'] as const;

const inSeconds = (app: HttpTestApp, seconds: number): string =>
  new Date(app.clock.now() + seconds * 1_000).toISOString();

function header(context: ExecutionContext, name: string): string | undefined {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ headers: Record<string, string | undefined> }>();
  return headers[name];
}

/** What the application's resolvers were called with. */
const seen: string[] = [];

const purposes = {
  '': { open: true },
  'sign-up': { open: true, details: () => ({ plan: 'free' }) },
  short: { open: true, ttlSeconds: 60 },
  transfer: {
    subject: (context: ExecutionContext) => {
      seen.push(`${context.getType()} ${context.getClass().name} ${context.getHandler().name}`);
      return header(context, 'x-user');
    },
    recipient: async (context: ExecutionContext, way: string) => {
      const user = header(context, 'x-user');
      return user === 'unreachable' ? undefined : `${user}-${way}@example.com`;
    },
  },
  strict: {
    subject: (context: ExecutionContext) => {
      const user = header(context, 'x-user');
      if (user === undefined) throw new UnauthorizedException();
      return user;
    },
    recipient: () => 'owner@example.com',
  },
  numeric: { subject: () => 7 as unknown as string, recipient: () => 'owner@example.com' },
  nobody: { subject: () => '', recipient: () => 'owner@example.com' },
} satisfies Record<string, PurposeDefinition>;

/** Codes that are none, whatever they are asked for. */
const IMPOSSIBLE_CODES: readonly (readonly [what: string, code: unknown])[] = [
  ['a number', 123456],
  ['true', true],
  ['null', null],
  ['absent', undefined],
  ['an array of one', ['123456']],
  ['an array of many', Array.from({ length: 5_000 }, (_, code) => String(100_000 + code))],
  ['an operator', { $ne: null }],
  ['a pattern', { $regex: '.*' }],
  ['an object with toString', { toString: '123456' }],
  ['an object with length', { length: 6 }],
  ['empty', ''],
  ['blank', '      '],
  ['too short', '12345'],
  ['10,000 characters', '1'.repeat(10_000)],
  ['with a NUL', '123456\u0000'],
  ['with an escape', '123456\u001b'],
  ['with a variation selector', '123456\ufe0f'],
  ['full-width letters', '\uff22\uff23\uff24\uff26\uff27\uff28'],
  ['Bengali digits', '\u09e7\u09e8\u09e9\u09ea\u09eb\u09ec'],
  ['mathematical digits', '\u{1d7cf}\u{1d7d0}\u{1d7d1}\u{1d7d2}\u{1d7d3}\u{1d7d4}'],
];

const IMPOSSIBLE_IDS: readonly (readonly [what: string, id: unknown])[] = [
  ['0', 0],
  ['true', true],
  ['null', null],
  ['absent', undefined],
  ['empty', ''],
  ['an array', [UNKNOWN_ID]],
  ['an object', { $gt: '' }],
  ['upper case', UNKNOWN_ID.toUpperCase()],
  ['with a blank behind', `${UNKNOWN_ID} `],
  ['with a line break', `${UNKNOWN_ID}\n`],
  ['with a wild card', '%'.repeat(36)],
  ['10,000 characters', '0'.repeat(10_000)],
];

describe.each(adapters)('The bundled controller on $name', ({ name: adapterName, create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        purposes,
        // One application for all of these tests, which send one person many codes.
        limits: false,
        senders: {
          default: { backend: () => (delivery) => app.inbox.send(delivery) },
          email: { backend: () => (delivery) => app.inbox.send(delivery) },
        },
      },
    });
  });
  afterAll(() => app.close());

  describe.each(['', '/'])('with "%s" at the end of its paths', (slash) => {
    it('answers a request with exactly the documented members, and sends the code', async () => {
      const answer = await app.post(`/2factor/request-confirmation${slash}`, {
        token: 'ann@example.com',
      });
      const times = { expiresAt: inSeconds(app, 600), resendAt: inSeconds(app, 30) };
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
      const expiresAt = inSeconds(app, 600);
      app.clock.advance(30);
      const sent = app.inbox.deliveries.length;
      const answer = await app.post(`/2factor/resend${slash}`, { id });
      expect(answer.body).toStrictEqual({
        id,
        expiresAt,
        resendAt: inSeconds(app, 60),
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
      const times = { expiresAt: inSeconds(app, 600), resendAt: inSeconds(app, 30) };
      const pending = await app.post(`/2factor/check${slash}`, { id });
      expect(pending.body).toStrictEqual({ id, status: 'pending', attemptsLeft: 4, ...times });
      expectSuccess(pending);
      expect(await app.row(id)).toStrictEqual(before);

      await app.post('/2factor/confirm', { id, code });
      const confirmed = await app.post(`/2factor/check${slash}`, { id });
      expect(confirmed.body).toStrictEqual({ id, status: 'confirmed', attemptsLeft: 3, ...times });
    });
  });

  describe('given a body that it cannot accept', () => {
    it.each(IMPOSSIBLE_CODES)(
      'refuses a code that is %s before any statement, and charges nothing',
      async (_, impossible) => {
        const { id, code } = await app.request();
        const before = await app.row(id);
        const statements = await app.log.during(async () => {
          for (const each of [id, UNKNOWN_ID]) {
            const answer = await app.post('/2factor/confirm', { id: each, code: impossible });
            expect(answer).toBeProblem(400, 'invalid-request');
          }
        });
        expect(statements).toStrictEqual([]);
        expect(await app.row(id)).toStrictEqual(before);
        expect(await app.post('/2factor/confirm', { id, code })).toMatchObject({ status: 200 });
      },
    );

    it.each(IMPOSSIBLE_IDS)('refuses an id that is %s, before any statement', async (_, id) => {
      for (const route of ['confirm', 'resend', 'check']) {
        const statements = await app.log.during(async () => {
          const answer = await app.post(`/2factor/${route}`, { id, code: WRONG_CODE });
          expect(answer).toBeProblem(400, 'invalid-request');
        });
        expect(statements).toStrictEqual([]);
      }
    });

    it.each([
      ['a number as token', { token: 4_917_000_000 }],
      ['an array as token', { token: ['ann@example.com', 'eve@example.com'] }],
      ['an empty token', { token: '' }],
      ['a token of 321 characters', { token: `${'a'.repeat(309)}@example.com` }],
      ['a token with a header', { token: 'ann@example.com\r\nBcc: eve@example.com' }],
      ['no token', {}],
      ['a number as way', { token: 'ann@example.com', way: 1 }],
      ['an empty way', { token: 'ann@example.com', way: '' }],
      ['an unknown way', { token: 'ann@example.com', way: 'pigeon' }],
      ['the way of a prototype', { token: 'ann@example.com', way: 'constructor' }],
      ['a number as purpose', { token: 'ann@example.com', purpose: 1 }],
      ['an empty purpose', { token: 'ann@example.com', purpose: '' }],
      ['an undeclared purpose', { token: 'ann@example.com', purpose: 'withdraw' }],
      ['the purpose of a prototype', { token: 'ann@example.com', purpose: 'constructor' }],
      ['a purpose in another case', { token: 'ann@example.com', purpose: 'Sign-Up' }],
      ['a string as details', { token: 'ann@example.com', details: 'all of it' }],
      ['an array as details', { token: 'ann@example.com', details: ['all of it'] }],
    ])('refuses a request with %s, and neither makes nor sends anything', async (_, body) => {
      const sent = app.inbox.deliveries.length;
      const statements = await app.log.during(async () => {
        const answer = await app.post('/2factor/request-confirmation', body);
        expect(answer).toBeProblem(400, 'invalid-request');
      });
      expect(statements).toStrictEqual([]);
      expect(app.inbox.deliveries).toHaveLength(sent);
    });

    it.each(ROUTES)('refuses what is no object on %s', async (route) => {
      for (const body of [[], [{ id: UNKNOWN_ID, code: WRONG_CODE }]]) {
        expect(await app.post(`/2factor/${route}`, body)).toBeProblem(400, 'invalid-request');
      }
      // Whether these reach a route at all is for the adapter's parser to say.
      for (const text of ['null', '123456', '"123456"', 'true', '{"id":', '']) {
        expect(await sendJson(`/2factor/${route}`, text)).toMatchObject({ status: 400 });
      }
    });

    it('takes null for absent, as many clients mean it', async () => {
      const body = { token: 'ann@example.com', way: null, purpose: null, details: null };
      const { id } = await app.request(body);
      expect(await app.row(id)).toMatchObject({ purpose: '', way: 'default', details: null });
    });

    it('ignores members it does not know', async () => {
      const { id } = await app.request({
        token: 'ann@example.com',
        id: UNKNOWN_ID,
        attempts: -100,
        maxAttempts: 100,
        confirmedAt: 1,
        usedAt: 1,
        expiresAt: 9_999_999_999_999,
        ttlSeconds: 86_400,
        isConfirmed: true,
        meta: { admin: true },
        subject: 'ann',
        recipient: 'eve@example.com',
        context: { locale: 'uk' },
        idempotencyKey: 'k'.repeat(16),
        state: {},
        method: 'none',
      });
      const row = await app.row(id);
      expect(row).toMatchObject({
        subject: '',
        purpose: '',
        meta: null,
        attempts: 0,
        maxAttempts: 5,
        sends: 1,
        confirmedAt: null,
        usedAt: null,
        cancelledAt: null,
        expiresAt: app.clock.now() + 600_000,
      });
      expect(app.inbox.deliveries.at(-1)).toMatchObject({ token: 'ann@example.com', context: {} });

      const extra = { attempts: 0, maxAttempts: 10, expiresAt: 1, purpose: 'x', subject: 'eve' };
      await app.post('/2factor/check', { id, ...extra });
      expect(await app.row(id)).toStrictEqual(row);
      const wrong = await app.post('/2factor/confirm', { id, code: WRONG_CODE, ...extra });
      expect(wrong).toBeProblem(422, 'code-mismatch', { attemptsLeft: 4 });
      expect(await app.row(id)).toStrictEqual(Object.assign(row, { attempts: 1 }));
    });

    it('lets __proto__ pollute nothing', async () => {
      const { id } = await app.request();
      const before = await app.row(id);
      const poison = `"__proto__":{"polluted":true,"id":"${id}","code":"${WRONG_CODE}"}`;
      const check = await sendJson('/2factor/check', `{"id":"${id}",${poison}}`);
      // Fastify's parser refuses it, Express's takes it for a member like others.
      expect(check.status).toBe(adapterName === 'Fastify' ? 400 : 200);
      expect((await sendJson('/2factor/confirm', `{${poison}}`)).status).toBe(400);
      const details = await sendJson(
        '/2factor/request-confirmation',
        `{"token":"ann@example.com","details":{${poison}}}`,
      );
      expect(details.status).toBe(400);
      expect(await app.row(id)).toStrictEqual(before);
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    });

    it('repeats neither code nor token in a refusal', async () => {
      const { id } = await app.request();
      const answers = [
        await app.post('/2factor/confirm', { id, code: 'TYPEDCODE' }),
        await app.post('/2factor/confirm', { id: 'TYPEDCODE', code: ['TYPEDCODE'] }),
        await app.post('/2factor/request-confirmation', { token: 'TYPEDCODE', way: 'TYPEDCODE' }),
      ];
      for (const answer of answers) expect(answer.text).not.toContain('TYPEDCODE');
    });
  });

  describe('given a content type that needs no CORS', () => {
    it.each([
      ['a form', 'application/x-www-form-urlencoded'],
      ['a text', 'text/plain'],
      ['JSON in disguise', 'text/plain; application/json'],
      ['a look-alike', 'application/jsonp'],
    ])('refuses %s with 415, and charges nothing', async (_, contentType) => {
      const { id, code } = await app.request();
      const before = await app.row(id);
      for (const route of ROUTES) {
        const isForm = contentType.includes('form');
        const answer = await app.call(`/2factor/${route}`, {
          method: 'POST',
          headers: { 'content-type': contentType },
          body: isForm
            ? String(new URLSearchParams({ id, code, token: 'ann@example.com' }))
            : JSON.stringify({ id, code, token: 'ann@example.com' }),
        });
        expect(answer.status).toBe(415);
      }
      expect(await app.row(id)).toStrictEqual(before);
    });

    it('says what it reads instead of a form', async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await app.call('/2factor/check', { method: 'POST', headers, body: 'id=1' });
      expect(answer).toBeProblem(415, 'unsupported-media-type');
    });

    it('refuses multipart and no content type at all', async () => {
      const { id, code } = await app.request();
      const before = await app.row(id);
      const form = new FormData();
      form.set('id', id);
      form.set('code', code);
      const bytes = new TextEncoder().encode(JSON.stringify({ id, code }));
      for (const body of [form, bytes, undefined]) {
        const answer = await app.call('/2factor/confirm', {
          method: 'POST',
          ...(body && { body }),
        });
        expect(answer.status).toBe(415);
      }
      expect(await app.row(id)).toStrictEqual(before);
    });

    it('takes JSON with a charset, in any case', async () => {
      for (const contentType of ['application/json; charset=utf-8', 'APPLICATION/JSON']) {
        const { id } = await app.request();
        const answer = await app.post('/2factor/check', { id }, { 'content-type': contentType });
        expect(answer.status).toBe(200);
      }
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

    it('evaluates five of twenty wrong codes that come at once', async () => {
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
    it('refuses to resend before the cooldown, and says when', async () => {
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

    it('says what to repeat, and when, after the provider failed', async () => {
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

    it('tells a repeatable failure of a resend by the clock of the module', async () => {
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

    it('sends by the way that was asked for, and by the same again', async () => {
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

  describe('given a purpose', () => {
    it('proves the token alone when the purpose is open', async () => {
      const { id, code } = await app.request({ token: 'ann@example.com', purpose: 'sign-up' });
      await app.post('/2factor/confirm', { id, code });
      const details = { plan: 'free' };
      expect(await app.confirmer.use(id, { purpose: 'sign-up' })).toBe(false);
      expect(await app.confirmer.use(id, { details })).toBe(false);
      expect(await app.confirmer.use(id, { purpose: 'sign-up', details })).toBe(true);
    });

    it('lives as long as the purpose says', async () => {
      const body = { token: 'ann@example.com', purpose: 'short' };
      const answer = await app.post('/2factor/request-confirmation', body);
      expect(answer.body).toMatchObject({ expiresAt: inSeconds(app, 60) });
    });

    it('binds the subject and takes the token from the application', async () => {
      seen.length = 0;
      const ann = { 'x-user': 'ann' };
      const { id, code } = await app.request({ purpose: 'transfer', way: 'email' }, ann);
      expect(app.inbox.deliveries.at(-1)).toMatchObject({ token: 'ann-email@example.com' });
      const answer = await app.post('/2factor/confirm/', { id, code }, ann);
      expect(answer.body).toStrictEqual({ id, confirmed: true });
      expect(seen).toStrictEqual([
        'http TwoFactorController requestConfirmation',
        'http TwoFactorController confirm',
      ]);
      expect(await app.confirmer.use(id, { purpose: 'transfer' })).toBe(false);
      expect(await app.confirmer.use(id, { purpose: 'transfer', subject: 'ann' })).toBe(true);
    });

    it('refuses a token in the body, which could be a thief’s mailbox', async () => {
      const sent = app.inbox.deliveries.length;
      const answer = await app.post(
        '/2factor/request-confirmation',
        { purpose: 'transfer', token: 'thief@example.com' },
        { 'x-user': 'ann' },
      );
      expect(answer).toBeProblem(400, 'invalid-request');
      expect(app.inbox.deliveries).toHaveLength(sent);
    });

    it.each([
      ['subject', 'transfer', {}],
      ['recipient', 'transfer', { 'x-user': 'unreachable' }],
      ['subject, but an empty text', 'nobody', {}],
    ])('refuses when the application knows no %s', async (_, purpose, headers) => {
      const statements = await app.log.during(async () => {
        const answer = await app.post('/2factor/request-confirmation', { purpose }, headers);
        expect(answer).toBeProblem(403, 'no-subject');
      });
      expect(statements).toStrictEqual([]);
    });

    it('says that the server is to blame for a subject that is no text', async () => {
      const answer = await app.post('/2factor/request-confirmation', { purpose: 'numeric' });
      expect(answer).toBeProblem(500, 'invalid-configuration');
    });

    it('lets the application say no in its own words when one asks', async () => {
      const answer = await app.post('/2factor/request-confirmation', { purpose: 'strict' });
      expect(answer).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
      expect(answer.headers['cache-control']).toBe('no-store');
    });

    it.each(['confirm', 'check', 'resend'])(
      'answers %s of a foreign confirmation as if there were none, byte for byte',
      async (route) => {
        for (const purpose of ['transfer', 'strict']) {
          const { id, code } = await app.request({ purpose }, { 'x-user': 'ann' });
          app.clock.advance(30);
          const before = await app.row(id);
          const sent = app.inbox.deliveries.length;
          for (const headers of [{ 'x-user': 'eve' }, { 'x-user': '' }, {}]) {
            const foreign = await app.post(`/2factor/${route}`, { id, code }, headers);
            const unknown = await app.post(`/2factor/${route}`, { id: UNKNOWN_ID, code }, headers);
            expect(foreign).toBeProblem(404, 'not-found');
            expect(comparable(foreign)).toStrictEqual(comparable(unknown));
          }
          expect(await app.row(id)).toStrictEqual(before);
          expect(app.inbox.deliveries).toHaveLength(sent);
        }
      },
    );

    it.each(['confirm', 'check', 'resend'])(
      'does not know a confirmation of an undeclared purpose at %s',
      async (route) => {
        const state = await app.confirmer.makeConfirmation({ purpose: 'withdraw' });
        await app.sender.send(null, 'ann@example.com', state);
        const body = { id: state.id, code: app.inbox.lastCode };
        expect(await app.post(`/2factor/${route}`, body)).toBeProblem(404, 'not-found');
        expect(await app.row(state.id)).toMatchObject({ attempts: 0, sends: 1 });
      },
    );

    it('lets nobody touch a confirmation of nobody for a purpose with subjects', async () => {
      const state = await app.confirmer.makeConfirmation({ purpose: 'nobody' });
      expect(await app.post('/2factor/check', { id: state.id })).toBeProblem(404, 'not-found');
    });
  });

  async function sendJson(path: string, body: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    return app.call(path, { method: 'POST', headers, body });
  }
});

function expectSuccess(answer: Answer): void {
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/);
  expect(answer.headers['cache-control']).toBe('no-store');
}

/** Starts an application, lets it be looked at, and ends it. */
async function withApp(
  input: Parameters<typeof startHttpApp>[0],
  look: (app: HttpTestApp) => Promise<void>,
): Promise<void> {
  const app = await startHttpApp(input);
  try {
    await look(app);
  } finally {
    await app.close();
  }
}

/** What the routes answer when they work, with and without a slash. */
const WORKING = ['', '/'].flatMap((slash) => [
  `200 request-confirmation${slash}`,
  `400 confirm${slash}`,
  `200 confirm${slash}`,
  `409 resend${slash}`,
  `200 check${slash}`,
]);

async function tour(app: HttpTestApp, path: string): Promise<string[]> {
  const stages: string[] = [];
  const post = async (route: string, body: unknown): Promise<unknown> => {
    const answer = await app.post(`${path}/${route}`, body);
    stages.push(`${answer.status} ${route}`);
    return answer.body;
  };
  for (const slash of ['', '/']) {
    const asked = await post(`request-confirmation${slash}`, { token: 'ann@example.com' });
    const { id } = asked as { id: string };
    await post(`confirm${slash}`, { id, code: 123456 });
    await post(`confirm${slash}`, { id, code: app.inbox.lastCode });
    await post(`resend${slash}`, { id });
    await post(`check${slash}`, { id });
  }
  return stages;
}

@Injectable()
class Doorman implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const password = this.reflector.get<string>('password', context.getClass());
    if (header(context, 'x-password') === password) return true;
    throw new ForbiddenException('Who are you?');
  }
}

@Injectable()
class Stopwatch implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const response = context
      .switchToHttp()
      .getResponse<{ header(name: string, value: string): unknown }>();
    return next.handle().pipe(tap(() => response.header('x-measured', 'yes')));
  }
}

describe.each(adapters)('The set-up of the controller on $name', ({ create }) => {
  it.each([
    ['absent', undefined],
    ['false', false],
  ])('registers nothing when it is %s', async (_, controller) => {
    await withApp({ adapter: create(), options: { controller } }, async (app) => {
      for (const route of ROUTES) {
        expect(await app.post(`/2factor/${route}`, {})).toMatchObject({ status: 404 });
      }
    });
  });

  it.each([
    ['true', true, '/2factor'],
    ['an object', {}, '/2factor'],
    ['a path', { path: 'api/v1/auth/2factor' }, '/api/v1/auth/2factor'],
    ['a path between slashes', { path: '/auth/' }, '/auth'],
  ])('serves a controller that is %s', async (_, controller, path) => {
    const adapter = create();
    await withApp({ adapter, options: { controller } }, async (app) => {
      expect(await tour(app, path)).toStrictEqual(WORKING);
    });
  });

  it('follows a global prefix and the version in the path', async () => {
    await withApp(
      {
        adapter: create(),
        options: { controller: { version: '2' } },
        configure: (app) => {
          app.setGlobalPrefix('api');
          app.enableVersioning({ type: VersioningType.URI });
        },
      },
      async (app) => {
        expect(await tour(app, '/api/v2/2factor')).toStrictEqual(WORKING);
        for (const path of ['/2factor', '/api/2factor', '/api/v1/2factor']) {
          expect(await app.post(`${path}/check`, {})).toMatchObject({ status: 404 });
        }
      },
    );
  });

  it('follows the version in a header', async () => {
    await withApp(
      {
        adapter: create(),
        options: { controller: { version: '2' } },
        configure: (app) =>
          app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
      },
      async (app) => {
        for (const slash of ['', '/']) {
          const path = `/2factor/check${slash}`;
          const body = { id: UNKNOWN_ID };
          expect(await app.post(path, body, { 'x-version': '2' })).toBeProblem(404, 'not-found');
          const other = await app.post(path, body, { 'x-version': '1' });
          expect(other).toMatchObject({ status: 404 });
          expect(other.headers['content-type']).toMatch(/^application\/json/);
        }
      },
    );
  });

  it('answers the code only while debugCodeResponse is on', async () => {
    const options = { controller: true, debugCodeResponse: true };
    await withApp({ adapter: create(), options, recorded: false }, async (app) => {
      const body = { token: 'ann@example.com' };
      const asked = await app.post('/2factor/request-confirmation', body);
      const { id } = asked.body as { id: string };
      const code = app.inbox.lastCode;
      const hasCode = (answer: Answer): boolean => (answer.body as { code?: string }).code === code;
      expect(hasCode(asked)).toBe(true);
      app.clock.advance(30);
      expect(hasCode(await app.post('/2factor/resend', { id }))).toBe(true);
      expect(Object.keys((await app.post('/2factor/check', { id })).body as object)).toStrictEqual([
        'id',
        'status',
        'attemptsLeft',
        'expiresAt',
        'resendAt',
      ]);
      const confirmed = await app.post('/2factor/confirm', { id, code });
      expect(Object.keys(confirmed.body as object)).toStrictEqual(['id', 'confirmed', 'code']);
      expect(hasCode(confirmed)).toBe(true);
    });
  });

  it('runs guards, interceptors and decorators, and shares none with a second module', async () => {
    const second = TwoFactorModule.forRoot({
      secret: SECRET,
      isGlobal: false,
      autoPurge: false,
      codeGenerator: drawCanaryCode,
      senders: { default: { backend: () => () => undefined } },
      controller: { path: 'open' },
    });
    await withApp(
      {
        adapter: create(),
        imports: [second],
        options: {
          controller: {
            path: 'closed',
            guards: [Doorman],
            interceptors: [Stopwatch],
            decorators: [SetMetadata('password', 'sesame')],
          },
        },
      },
      async (app) => {
        const body = { token: 'ann@example.com' };
        for (const slash of ['', '/']) {
          const closed = `/closed/request-confirmation${slash}`;
          const refused = await app.post(closed, body);
          expect(refused).toMatchObject({ status: 403, body: { message: 'Who are you?' } });
          expect(refused.headers['cache-control']).toBe('no-store');
          const let_in = await app.post(closed, body, { 'x-password': 'sesame' });
          expect(let_in).toMatchObject({ status: 200, headers: { 'x-measured': 'yes' } });
          const open = await app.post(`/open/request-confirmation${slash}`, body);
          expect(open).toMatchObject({ status: 200 });
          expect(open.headers).not.toHaveProperty('x-measured');
        }
        expect(await app.call('/closed/check', { method: 'POST' })).toBeProblem(
          415,
          'unsupported-media-type',
        );
      },
    );
  });

  it.each<[string, (app: INestApplication) => unknown]>([
    ['none', () => undefined],
    [
      'a strict one with implicit conversion',
      (app) =>
        app.useGlobalPipes(
          new ValidationPipe({
            whitelist: true,
            forbidNonWhitelisted: true,
            transform: true,
            validateCustomDecorators: true,
            transformOptions: { enableImplicitConversion: true },
          }),
        ),
    ],
    [
      'one that refuses unknown values',
      (app) => app.useGlobalPipes(new ValidationPipe({ forbidUnknownValues: true })),
    ],
  ])('means the same under a global pipe: %s', async (_, configure) => {
    await withApp(
      { adapter: create(), options: { controller: true }, configure: (app) => void configure(app) },
      async (app) => {
        expect(await tour(app, '/2factor')).toStrictEqual(WORKING);
        const { id } = await app.request({ token: 'ann@example.com', extra: 'member' });
        const before = await app.row(id);
        for (const code of [123456, true, ['AAAAAAAA']]) {
          const answer = await app.post('/2factor/confirm', { id, code });
          expect(answer).toBeProblem(400, 'invalid-request');
        }
        expect(await app.row(id)).toStrictEqual(before);
      },
    );
  });
});

describe('The set-up of the controller on a Fastify that ignores slashes itself', () => {
  it.each([
    ['at the end', { ignoreTrailingSlash: true }],
    ['at the end, and doubled ones', { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true }],
    ['when they are doubled', { ignoreDuplicateSlashes: true }],
  ])('serves each path, with slashes ignored %s', async (_, routerOptions) => {
    const adapter = new FastifyAdapter({ routerOptions }) as unknown as AbstractHttpAdapter;
    const options = { controller: true };
    await withApp({ adapter, options }, async (app) => {
      expect(await tour(app, '/2factor')).toStrictEqual(WORKING);
    });
  });
});
