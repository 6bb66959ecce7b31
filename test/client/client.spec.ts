// The client of the routes against a real application. A client that loses a key sends a person two messages, and one that throws
// where the server refused leaves that person with an empty page.
import { readFile } from 'node:fs/promises';

import { createTwoFactorClient, type TwoFactorClientSettings } from 'nestjs-two-factor/client';
import ts from 'typescript';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { readSource } from '../../docs/generate/read-source.js';
import { problem } from '../../lib/http/problem.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { header } from '../e2e/controller-fixtures.js';

/** What a tab keeps over reloads. */
class Tab {
  readonly items = new Map<string, string>();
  getItem = (name: string): string | null => this.items.get(name) ?? null;
  setItem = (name: string, value: string): void => void this.items.set(name, value);
  removeItem = (name: string): void => void this.items.delete(name);
}

describe('The client', () => {
  let test: HttpTestApp;
  let url: string;
  let tab: Tab;
  let users = 0;
  let user: string;

  beforeAll(async () => {
    test = await startHttpApp({
      options: {
        controller: true,
        methods: METHODS,
        limits: {},
        purposes: {
          '': { open: true },
          login: {
            subject: (context) => header(context, 'x-user'),
            recipient: (context) => `${header(context, 'x-user')}@example.com`,
            methods: ['totp', 'code', 'recovery'],
          },
        },
      },
    });
    url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
  });
  beforeEach(() => {
    tab = new Tab();
    users += 1;
    user = `user${users}`;
    // All tests have one address, whose limits would end them.
    test.clock.advance(86_400);
  });
  afterAll(() => test?.close());

  /** A page of that tab, as it is after a reload. */
  const load = (settings: TwoFactorClientSettings = {}) =>
    createTwoFactorClient({
      url,
      storage: tab,
      headers: { 'x-user': user },
      ...settings,
    });
  /** The answer arrives at the server and is lost on its way back. */
  const losing: typeof fetch = async (input, init) => {
    await fetch(input, init);
    throw new TypeError('fetch failed');
  };
  const sentTo = (): number =>
    test.inbox.deliveries.filter(({ token }) => token === address()).length;
  const address = (): string => `${user}@example.com`;

  it('sends one message for a double click and a reload, and another one after the confirmation', async () => {
    const body = { token: address() };
    const page = load();
    const [first, second] = await Promise.all([
      page.requestConfirmation(body),
      page.requestConfirmation(body),
    ]);
    const reloaded = await load().requestConfirmation(body);
    if (!first.ok || !second.ok || !reloaded.ok) throw new Error('It was refused.');
    expect([second.value.id, reloaded.value.id]).toEqual([first.value.id, first.value.id]);
    expect(sentTo()).toBe(1);

    const code = test.inbox.lastCode;
    expect(await page.confirm({ id: first.value.id, code })).toEqual({
      ok: true,
      value: { id: first.value.id, confirmed: true },
    });
    const next = await load().requestConfirmation(body);
    expect(next.ok && next.value.id).not.toBe(first.value.id);
    expect(sentTo()).toBe(2);
  });

  it('sends a message for each call in the naive twin, a page that keeps no keys', async () => {
    for (let call = 0; call < 2; call += 1) {
      await load({ storage: new Tab() }).requestConfirmation({ token: address() });
    }

    expect(sentTo()).toBe(2);
  });

  it('keeps the keys in memory where storage is blocked', async () => {
    const blocked = (): never => {
      throw new DOMException('Blocked.', 'SecurityError');
    };
    const page = load({ storage: { getItem: blocked, setItem: blocked, removeItem: blocked } });
    await page.requestConfirmation({ token: address() });
    await page.requestConfirmation({ token: address() });

    expect(sentTo()).toBe(1);
  });

  it('draws a new key when the flow is another request, or its confirmation has expired', async () => {
    const page = load();
    const named = { flow: 'sign-in' };
    const first = await page.requestConfirmation({ token: address() }, named);
    const other = await page.requestConfirmation({ token: `other-${address()}` }, named);
    expect([first.ok, other.ok]).toEqual([true, true]);
    expect([...tab.items.keys()]).toEqual(['nestjs-two-factor sign-in']);

    const body = { token: address(), way: 'default' };
    const early = await page.requestConfirmation(body);
    test.clock.advance(601);
    const late = await Promise.all([
      page.requestConfirmation(body),
      page.requestConfirmation(body),
    ]);
    const ids = late.map((each) => each.ok && each.value.id);
    expect(ids[0]).toBe(ids[1]);
    expect(early.ok && early.value.id).not.toBe(ids[0]);
    expect(sentTo()).toBe(3);
  });

  it('starts a new flow after the last attempt, and when the page asks for one', async () => {
    const page = load();
    const body = { token: address() };
    const first = await page.requestConfirmation(body);
    if (!first.ok) throw new Error('It was refused.');
    const left: unknown[] = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const result = await page.confirm({ id: first.value.id, code: WRONG_CODE });
      if (!result.ok && result.problem.error === 'code-mismatch') {
        left.push(result.problem.attemptsLeft);
      }
    }
    expect(left).toEqual([4, 3, 2, 1, 0]);
    expect(tab.items.size).toBe(0);

    await page.requestConfirmation(body);
    expect(tab.items.size).toBe(1);
    page.forget(body);
    expect(tab.items.size).toBe(0);
  });

  it('sends the code again once for a press whose answer was lost, and for each later press', async () => {
    const asked = await load().requestConfirmation({ token: address() });
    if (!asked.ok) throw new Error('It was refused.');
    const { id } = asked.value;
    test.clock.advance(61);
    expect(await load({ fetch: losing }).resend(id)).toEqual({
      ok: false,
      problem: { error: 'unreachable', status: 0 },
    });
    expect(await load().resend(id)).toMatchObject({ ok: true, value: { id } });
    expect(sentTo()).toBe(2);

    expect(await load().resend(id)).toMatchObject({
      ok: false,
      problem: { error: 'too-many-requests', retryAfter: expect.any(Number) },
    });
    test.clock.advance(61);
    expect(await load().resend(id)).toMatchObject({ ok: true });
    expect(sentTo()).toBe(3);
  });

  it('repeats a message with the same key when the server does not know whether it was sent', async () => {
    const asked = await load().requestConfirmation({ token: address() });
    if (!asked.ok) throw new Error('It was refused.');
    const { id } = asked.value;
    test.clock.advance(61);
    const unsure: typeof fetch = async (input, init) => {
      await fetch(input, init);
      const body = problem('temporarily-unavailable', { retryAfter: 1 });
      return new Response(JSON.stringify(body), { status: body.status });
    };
    expect(await load({ fetch: unsure }).resend(id)).toMatchObject({
      problem: { error: 'temporarily-unavailable' },
    });

    expect(await load().resend(id)).toMatchObject({ ok: true, value: { id } });
    expect(sentTo()).toBe(2);
  });

  it('has a code sent when the person began with an app and cannot use it, once for a press', async () => {
    await enrolApp(test, user);
    const asked = await load().requestConfirmation({ purpose: 'login' });
    if (!asked.ok) throw new Error('It was refused.');
    const { id, method } = asked.value;
    const before = test.inbox.deliveries.length;
    expect(method).toBe('totp');

    expect(await load({ fetch: losing }).resend(id, { way: 'default' })).toMatchObject({
      ok: false,
    });
    expect(await load().resend(id, { way: 'default' })).toMatchObject({ ok: true, value: { id } });

    expect(test.inbox.deliveries.length - before).toBe(1);
    const code = test.inbox.lastCode;
    expect(await load().confirm({ id, code })).toMatchObject({ ok: true });
  });

  it('confirms by an app and by a recovery code, and checks', async () => {
    const { app, recoveryCodes } = await enrolApp(test, user);
    const page = load();
    const asked = await page.requestConfirmation({ purpose: 'login' });
    if (!asked.ok) throw new Error('It was refused.');
    const { id, method, methods } = asked.value;
    expect([method, methods]).toEqual(['totp', ['totp', 'code', 'recovery']]);

    expect(await page.confirm({ id, method: 'totp', code: app.wrongCode() })).toMatchObject({
      problem: { error: 'code-mismatch', attemptsLeft: 4 },
    });
    expect(await page.confirm({ id, method: 'recovery', code: recoveryCodes[0]! })).toMatchObject({
      ok: true,
    });
    expect(await page.check(id)).toMatchObject({
      value: { status: 'confirmed', confirmedBy: 'recovery' },
    });
    expect(await page.confirm({ id, method: 'totp', code: app.code() })).toMatchObject({
      problem: { error: 'already-confirmed', status: 409 },
    });
  });

  it.each([
    ['the page of a proxy', 502, '<html>', { 'retry-after': '7' }, undefined, 7],
    ['the refusal of a guard', 401, '{"statusCode":401}', {}, { statusCode: 401 }, undefined],
    ['a success that is no JSON', 200, 'OK', {}, undefined, undefined],
    [
      'a problem of another package',
      409,
      '{"type":"about:blank","error":"expired"}',
      {},
      { type: 'about:blank', error: 'expired' },
      undefined,
    ],
    ['null', 500, 'null', {}, null, undefined],
    ['a success that is no object', 200, '"ok"', {}, 'ok', undefined],
  ])(
    'returns %s as an unexpected answer',
    async (_, status, text, headers, document, retryAfter) => {
      const page = load({ fetch: async () => new Response(text, { status, headers }) });

      const unexpected = {
        ok: false,
        problem: {
          error: 'unexpected-answer',
          status,
          document,
          ...(retryAfter !== undefined && { retryAfter }),
        },
      };

      expect(await page.check('1')).toEqual(unexpected);
      expect(await page.requestConfirmation({ purpose: 'login' })).toEqual(unexpected);
    },
  );

  it('ends a call after its time, and throws the reason of a signal of its caller', async () => {
    const hanging: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
      });
    const never = load({ fetch: hanging, timeoutMs: 20 });
    expect(await never.check('1')).toMatchObject({ problem: { error: 'unreachable' } });

    const controller = new AbortController();
    const call = load({ fetch: hanging }).check('1', { signal: controller.signal });
    controller.abort(new Error('The person went back.'));
    await expect(call).rejects.toThrow('The person went back.');
  });

  it('returns that there was no answer when the headers of the application fail, and calls the server with the next ones', async () => {
    let calls = 0;
    const headers = async (): Promise<Record<string, string>> => {
      calls += 1;
      if (calls === 1) throw new Error('The token could not be refreshed.');
      return { 'x-user': user };
    };
    const page = load({ headers });
    expect(await page.requestConfirmation({ token: address() })).toEqual({
      ok: false,
      problem: { error: 'unreachable', status: 0 },
    });
    expect(sentTo()).toBe(0);

    expect(await page.requestConfirmation({ token: address() })).toMatchObject({ ok: true });
    expect(sentTo()).toBe(1);
  });

  it('ends the wait for headers after the time of the call, and by a signal of its caller', async () => {
    const headers = (): Promise<Record<string, string>> => new Promise(() => undefined);
    const page = load({ headers, timeoutMs: 20 });
    expect(await page.check('1')).toEqual({
      ok: false,
      problem: { error: 'unreachable', status: 0 },
    });

    const controller = new AbortController();
    const call = load({ headers }).check('1', { signal: controller.signal });
    controller.abort(new Error('The person went back.'));
    await expect(call).rejects.toThrow('The person went back.');
    // Also when it had gone back before.
    await expect(load({ headers }).check('1', { signal: controller.signal })).rejects.toThrow(
      'The person went back.',
    );
  });

  it('takes an answer out of what an interceptor wraps around it', async () => {
    const page = load({
      fetch: async () => Response.json({ data: { id: '1', status: 'pending' } }),
      unwrap: (body) => (body as { data: unknown }).data,
    });

    expect(await page.check('1')).toMatchObject({ value: { id: '1', status: 'pending' } });
  });

  it('sends the headers of the application beside those of the call', async () => {
    const sent: Record<string, string>[] = [];
    const page = load({
      headers: async () => ({ 'x-csrf': '1' }),
      fetch: async (_, init) => {
        sent.push(init?.headers as Record<string, string>);
        return Response.json({});
      },
    });
    await page.check('1');
    await page.factors.recoveryCodes({ proof: 'p' });

    expect(sent).toEqual([
      { 'x-csrf': '1', 'Content-Type': 'application/json' },
      { 'x-csrf': '1', 'Content-Type': 'application/json', 'X-Confirmation-Id': 'p' },
    ]);
  });

  it('names every slug of the server, and three of its own', async () => {
    const file = new URL('../../lib/client/problems.ts', import.meta.url);
    const source = ts.createSourceFile('', await readFile(file, 'utf8'), ts.ScriptTarget.Latest);
    const slugs = new Set<string>();
    const visit = (node: ts.Node): void => {
      // `['error']` is the name of a member.
      if (ts.isIndexedAccessTypeNode(node)) return;
      if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) {
        slugs.add(node.literal.text);
      }
      node.forEachChild(visit);
    };
    source.statements.filter(ts.isTypeAliasDeclaration).forEach(visit);
    const { classes, others } = readSource().errors;
    const known = [...classes.flatMap(({ codes }) => codes), ...others].map(({ code }) => code);

    expect([...slugs].toSorted()).toEqual(
      [...known, 'unreachable', 'unexpected-answer', 'passkey-unanswered'].toSorted(),
    );
  });
});
