import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { adapters, type Answer, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { ROUTES, startControllerApp } from './controller-fixtures.js';

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

/** A missing member is answered with its name, a code or a token that cannot be one with the rule for it, and nothing else. */
function ruleOf({ body }: Answer): { detail?: string } {
  const { detail } = body as { detail?: string };
  if (detail === undefined) return {};
  return {
    detail: expect.stringMatching(
      /^(?:The body lacks \w+\.$|A (?:code|token) is a (?:string|text) of )/,
    ) as string,
  };
}

describe.each(adapters)('The bundled controller on $name', ({ name: adapterName, create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startControllerApp(create());
  });
  afterAll(() => app.close());

  describe('given a body that it cannot accept', () => {
    it.each(IMPOSSIBLE_CODES)(
      'refuses a code that is %s before any statement, and charges nothing',
      async (_, impossible) => {
        const { id, code } = await app.request();
        const before = await app.row(id);
        const statements = await app.log.during(async () => {
          for (const each of [id, UNKNOWN_ID]) {
            const answer = await app.post('/2factor/confirm', { id: each, code: impossible });
            expect(answer).toBeProblem(400, 'invalid-request', ruleOf(answer));
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
          const detail = id == null ? { detail: 'The body lacks id.' } : {};
          expect(answer).toBeProblem(400, 'invalid-request', detail);
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
        expect(answer).toBeProblem(400, 'invalid-request', ruleOf(answer));
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

    it('ignores unknown members', async () => {
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

    it('names the content type that it accepts when it refuses a form', async () => {
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

  async function sendJson(path: string, body: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    return app.call(path, { method: 'POST', headers, body });
  }
});
