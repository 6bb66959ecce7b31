// The client's passkeys in Chromium with its virtual authenticator, with the JSON functions of the browser and without them. The
// server's own functions judge what the browser sent: a byte that the client encodes wrongly is refused by them.
import { chromium, type Browser, type Page, type Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import type { EnrolledPasskey } from '../../lib/methods/passkey/passkey-ceremonies.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium } from '../support/chromium.js';
import { CodePages } from '../support/code-page.js';
import { PasskeyBench, SUBJECT } from '../support/passkeys.js';
import { flawsOf } from './audit.js';
import { addVirtualAuthenticator } from '../support/virtual-authenticator.js';

/** Browsers before 2025 have no JSON functions, and the credentials of some extensions throw in `toJSON`. */
const OLD_BROWSER = `
  delete PublicKeyCredential.parseCreationOptionsFromJSON;
  delete PublicKeyCredential.parseRequestOptionsFromJSON;
  PublicKeyCredential.prototype.toJSON = () => { throw new TypeError('Illegal invocation'); };
`;
const ID = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3g';

describe.each(hasChromium ? [CHROMIUM] : [])('Passkeys of the client in %s', (executablePath) => {
  let pages: CodePages;
  let browser: Browser;

  beforeAll(async () => {
    pages = await CodePages.start();
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
  });

  const answer = (call: Route, body: object): Promise<void> => call.fulfill({ json: body });
  const refuse = (call: Route, slug: string, members: object = {}): Promise<void> =>
    call.fulfill({
      status: problem(slug).status,
      contentType: 'application/problem+json',
      body: JSON.stringify({ ...problem(slug), ...members }),
    });

  /** A page whose passkeys are judged by the ceremonies of the server, and a person with an authenticator. */
  async function open(script: string): Promise<{ page: Page; bench: PasskeyBench }> {
    const { page } = await pages.open(browser, 'ann', { attributes: 'purpose="login"', script });
    // axe waits by timers.
    await page.clock.resume();
    const bench = await PasskeyBench.open({ rpId: 'localhost', origins: [pages.origin] });
    await addVirtualAuthenticator(page);
    return { page, bench };
  }

  async function enrol(page: Page, bench: PasskeyBench): Promise<EnrolledPasskey> {
    let passkey: EnrolledPasskey | undefined;
    await page.route('**/2factor/factors/enrol', (call) => {
      expect(call.request().headers()['x-confirmation-id']).toBe('proof');
      return answer(call, { factor: { id: 'factor-1' }, options: bench.creationOptions() });
    });
    await page.route('**/2factor/factors/activate', async (call) => {
      const { factor, response } = call.request().postDataJSON() as Record<string, unknown>;
      const { credential, refusal } = await bench.register(response);
      if (credential === null) return refuse(call, 'code-mismatch', { title: refusal });
      passkey = { ...credential, factorId: String(factor), subject: SUBJECT };
      return answer(call, { factor: { id: factor, method: 'passkey' } });
    });
    const result = await page.evaluate<unknown>(`(async () => {
      const { createTwoFactorClient } = await import('/client/index.js');
      return createTwoFactorClient().factors.enrolPasskey({ label: 'Laptop' }, { proof: 'proof' });
    })()`);
    expect(result).toMatchObject({ ok: true, value: { factor: { id: 'factor-1' } } });
    return passkey!;
  }

  it.each([
    ['of today', ''],
    ['without JSON functions', OLD_BROWSER],
  ])(
    'are enrolled, and confirm by the button of the element, in a browser %s',
    async (_, script) => {
      const { page, bench } = await open(script);
      const passkey = await enrol(page, bench);
      const expiresAt = new Date(pages.clock.now() + 600_000).toISOString();
      await page.route('**/2factor/request-confirmation', (call) =>
        answer(call, {
          id: ID,
          expiresAt,
          expiresIn: 600,
          attemptsLeft: 5,
          method: 'passkey',
          methods: ['passkey', 'totp'],
        }),
      );
      await page.route('**/2factor/challenge', (call) => {
        expect(call.request().postDataJSON()).toEqual({ id: ID, method: 'passkey' });
        return answer(call, bench.requestOptions(passkey));
      });
      await page.route('**/2factor/confirm', async (call) => {
        const { response, ...others } = call.request().postDataJSON() as Record<string, unknown>;
        expect(others).toEqual({ id: ID, method: 'passkey' });
        const { evidence } = await bench.assert(response, passkey);
        return evidence === null
          ? refuse(call, 'code-mismatch', { attemptsLeft: 4 })
          : answer(call, { id: ID, confirmed: true });
      });

      await page.getByRole('button', { name: 'Continue' }).click();
      const button = page.getByRole('button', { name: 'Use passkey' });
      await button.waitFor();
      expect(await flawsOf(page)).toEqual([]);
      await button.click();

      await page.getByRole('status').getByText('Confirmed.').waitFor();
      expect(await page.evaluate('events.at(-1)')).toEqual([
        'confirmed',
        { id: ID, method: 'passkey' },
      ]);

      // Another person's challenge, or a person who cancels: the page says so, and the button is still there.
      await page.evaluate('element.reset()');
      await page.unroute('**/2factor/challenge');
      await page.route('**/2factor/challenge', (call) => {
        const options = bench.requestOptions(passkey);
        return answer(call, {
          ...options,
          allowCredentials: [{ type: 'public-key', id: 'AAAA' }],
          timeout: 500,
        });
      });
      await page.getByRole('button', { name: 'Continue' }).click();
      await button.click();
      await page.getByRole('alert').getByText('No passkey was used.').waitFor();
      expect(await page.evaluate('events.at(-1)')).toMatchObject([
        'refused',
        { problem: { error: 'passkey-unanswered', reason: 'NotAllowedError' } },
      ]);
    },
  );

  it('are finished without another proof after the person has closed the dialog of the browser', async () => {
    const { page, bench } = await open('');
    const routes: string[] = [];
    const options = bench.creationOptions();
    await page.route('**/2factor/factors/*', async (call) => {
      routes.push(new URL(call.request().url()).pathname.split('/').at(-1)!);
      if (routes.at(-1) === 'enrol') return answer(call, { factor: { id: 'factor-1' }, options });
      const { response } = call.request().postDataJSON() as Record<string, unknown>;
      expect((await bench.register(response)).refusal).toBeNull();
      return answer(call, { factor: { id: 'factor-1', method: 'passkey' } });
    });

    const results = await page.evaluate<unknown>(`(async () => {
      const { createTwoFactorClient } = await import('/client/index.js');
      const { factors } = createTwoFactorClient();
      const { value: begun } = await factors.enrol({ method: 'passkey' }, { proof: 'proof' });
      const create = navigator.credentials.create;
      navigator.credentials.create = () => Promise.reject(new DOMException('', 'NotAllowedError'));
      const dismissed = await factors.finishPasskey(begun);
      navigator.credentials.create = create;
      return [dismissed, await factors.finishPasskey(begun)];
    })()`);

    expect(results).toMatchObject([
      { ok: false, problem: { error: 'passkey-unanswered', reason: 'NotAllowedError' } },
      { ok: true, value: { factor: { id: 'factor-1' } } },
    ]);
    expect(routes).toEqual(['enrol', 'activate']);
  });
});
