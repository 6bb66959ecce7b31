// What a person does after a confirmation is over. A page that continues with it gets the same dead confirmation for every new
// request, for up to ten minutes: each of its answers is 200, and no payment can be made.
import { createTwoFactorClient, type TwoFactorClientSettings } from 'nestjs-two-factor/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import { FACTORS, MANY } from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { enrolPasskey, PASSKEY_METHODS, type PasskeyHolder } from '../support/passkeys.js';

const BODY = { purpose: 'pay' };

describe('The client after the end of a confirmation', () => {
  let test: HttpTestApp;
  let url: string;
  let person: PasskeyHolder;
  let users = 0;
  /** The session storage of a tab, which survives a reload. */
  let tab: Map<string, string>;

  beforeAll(async () => {
    test = await startHttpApp({
      options: {
        controller: true,
        limits: MANY,
        methods: PASSKEY_METHODS,
        purposes: {
          pay: { ...FACTORS, methods: ['passkey'] },
          login: { ...FACTORS, methods: ['code'] },
        },
      },
    });
    url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
  });
  beforeEach(async () => {
    tab = new Map();
    person = await enrolPasskey(test, `person-${(users += 1)}`);
  });
  afterAll(() => test?.close());

  const load = (settings: TwoFactorClientSettings = {}) =>
    createTwoFactorClient({
      url,
      headers: { 'x-user': person.subject },
      storage: {
        getItem: (name) => tab.get(name) ?? null,
        setItem: (name, value) => void tab.set(name, value),
        removeItem: (name) => void tab.delete(name),
      },
      ...settings,
    });

  /** The first answer of a route is lost on its way back; the server has worked. */
  function losing(route: string): typeof fetch {
    let isLost = false;
    return async (input, init) => {
      const response = await fetch(input, init);
      if (isLost || !(input as string).endsWith(`/${route}`)) return response;
      isLost = true;
      throw new TypeError('fetch failed');
    };
  }

  /** A route that refuses every call. */
  const refusing =
    (route: string, slug: string): typeof fetch =>
    async (input, init) => {
      if (!(input as string).endsWith(`/${route}`)) return fetch(input, init);
      const body = problem(slug);
      const headers = { 'content-type': 'application/problem+json' };
      return new Response(JSON.stringify(body), { status: body.status, headers });
    };

  async function requested(page: ReturnType<typeof load>, body = BODY): Promise<string> {
    const asked = await page.requestConfirmation(body);
    if (!asked.ok) throw new Error(`It was refused: ${asked.problem.error}.`);
    return asked.value.id;
  }

  it('requests with another key when the server answers that the confirmation of the first key is over', async () => {
    const keys: (string | null)[] = [];
    const page = load({
      fetch: async (input, init) => {
        if (!(input as string).endsWith('/request-confirmation')) return fetch(input, init);
        keys.push(new Headers(init?.headers).get('idempotency-key'));
        if (keys.length > 1) return fetch(input, init);
        const body = problem('expired');
        const headers = { 'content-type': 'application/problem+json' };
        return new Response(JSON.stringify(body), { status: body.status, headers });
      },
    });

    expect(await page.requestConfirmation(BODY)).toMatchObject({ ok: true });
    expect(keys).toHaveLength(2);
    expect(keys[0]).not.toBeNull();
    expect(keys[1]).not.toBe(keys[0]);
  });

  it('requests another confirmation when the answer to the passkey was lost, and its proof is used', async () => {
    const page = load({ fetch: losing('confirm') });
    const id = await requested(page);
    const options = await page.challenge(id);
    if (!options.ok) throw new Error('There is no challenge.');
    const { authenticator } = person;
    const response = authenticator.get(options.value as Parameters<typeof authenticator.get>[0]);
    expect(await page.confirm({ id, method: 'passkey', response })).toMatchObject({
      problem: { error: 'unreachable' },
    });
    // The second press asks for a challenge first, and learns there that it is confirmed.
    expect(await page.challenge(id)).toMatchObject({ problem: { error: 'already-confirmed' } });
    await test.confirmer.use(id, { purpose: 'pay', subject: person.subject });

    expect(await requested(page)).not.toBe(id);
  });

  it('requests another confirmation when resend answers that the application has cancelled it', async () => {
    const page = load();
    const body = { purpose: 'login' };
    const id = await requested(page, body);
    await test.confirmer.cancel(id);
    expect(await page.resend(id)).toMatchObject({ problem: { error: 'cancelled' } });

    expect(await requested(page, body)).not.toBe(id);
  });

  it.each([
    ['resend', 'already-confirmed'],
    ['resend', 'already-used'],
    ['resend', 'attempts-exhausted'],
    ['resend', 'expired'],
    ['resend', 'not-found'],
    ['resend', 'sender-removed'],
    ['resend', 'unknown-secret'],
    ['challenge', 'cancelled'],
    ['challenge', 'unknown-secret'],
  ] as const)('requests another confirmation when %s is refused with %s', async (route, slug) => {
    const page = load({ fetch: refusing(route, slug) });
    const id = await requested(page);
    expect(await page[route](id)).toMatchObject({ problem: { error: slug } });

    expect(await requested(page)).not.toBe(id);
  });

  it.each([
    ['resend', 'too-many-requests'],
    ['resend', 'method-not-allowed'],
    ['challenge', 'temporarily-unavailable'],
  ] as const)('continues with the same one when %s is refused with %s', async (route, slug) => {
    const page = load({ fetch: refusing(route, slug) });
    const id = await requested(page);
    expect(await page[route](id)).toMatchObject({ problem: { error: slug } });

    expect(await requested(page)).toBe(id);
  });

  it('continues with the same one after its code was sent again', async () => {
    const page = load();
    const body = { purpose: 'login' };
    const id = await requested(page, body);
    test.clock.advance(31);
    expect(await page.resend(id)).toMatchObject({ ok: true });

    expect(await requested(page, body)).toBe(id);
  });

  it('requests another confirmation after one whose first message had failed was confirmed', async () => {
    const page = load();
    const body = { purpose: 'login' };
    test.inbox.failNext(new Error('The provider is down.'));
    const failed = await page.requestConfirmation(body);
    if (failed.ok || failed.problem.error !== 'send-failed') throw new Error('It was sent.');
    const { id } = failed.problem;
    test.clock.advance(31);
    expect(await page.resend(id)).toMatchObject({ ok: true });
    expect(await page.confirm({ id, code: test.inbox.lastCode })).toMatchObject({ ok: true });

    expect(await requested(page, body)).not.toBe(id);
  });

  it('keeps the key of a newer request when an earlier confirmation of the flow is refused late', async () => {
    const page = load();
    const body = { purpose: 'login' };
    const first = await requested(page, body);
    test.clock.advance(601);
    const second = await requested(page, body);
    expect(second).not.toBe(first);
    expect(await page.resend(first)).toMatchObject({ problem: { error: 'expired' } });

    expect(await requested(page, body)).toBe(second);
  });
});
