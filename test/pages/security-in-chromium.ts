// The security page of the sample application in Chromium: the QR code holds the secret that the server gave, and a passkey of the
// browser's own authenticator pays what the page shows, and nothing else.
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { TestAuthenticator } from '../support/authenticator.js';
import { startBank, type Bank } from '../support/bank.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium } from '../support/chromium.js';
import { untilAllDelivered } from '../support/customer.js';
import { freePort } from '../support/free-port.js';
import { scanQrCode } from '../support/scan-qr-code.js';
import { flawsOf } from './audit.js';
import { addVirtualAuthenticator } from '../support/virtual-authenticator.js';

const SCREENSHOTS = '.tmp/screenshots';

const PASSWORD = 'correct horse battery';
const SCHEMES = ['light', 'dark'] as const;
const WIDTHS = [360, 1280];

describe.each(hasChromium ? [CHROMIUM] : [])('The security page in %s', (executablePath) => {
  let bank: Bank;
  let browser: Browser;
  let context: BrowserContext;
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    bank = await startBank({ port, hasPages: true });
    // Browsers use no passkey for an IP address.
    url = `http://localhost:${port}`;
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await bank?.close();
  });

  const status = (page: Page, text: string): Promise<void> =>
    page.getByRole('status').getByText(text).waitFor();

  async function codeFor(to: string): Promise<string> {
    await untilAllDelivered(bank.url);
    const response = await fetch(`${bank.url}/inbox/messages`);
    const messages = (await response.json()) as { to: string; text: string }[];
    return /\b\d{6}\b/.exec(
      messages.find((each) => each.to === to && /\b\d{6}\b/.test(each.text))!.text,
    )![0];
  }

  /** A new browser of a customer who is signed in by a code. */
  async function open(
    email: string,
    options: Parameters<Browser['newContext']>[0] = {},
    base = url,
  ): Promise<Page> {
    context = await browser.newContext({ viewport: { width: 360, height: 740 }, ...options });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    await page.goto(base);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.locator('#sign-up-email').fill(email);
    await page.locator('#sign-up-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await enterSent(page, email);
    await status(page, 'Your account is open.');
    await giveSignIn(page);
    await enterSent(page, email);
    await status(page, 'You are signed in.');
    return page;
  }

  async function giveSignIn(page: Page): Promise<void> {
    await page.locator('#sign-in-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
  }

  async function enter(page: Page, code: string): Promise<void> {
    await page.locator('two-factor-code').getByRole('textbox').fill(code);
    await page.getByRole('button', { name: 'Confirm' }).click();
  }

  async function enterSent(page: Page, email: string): Promise<void> {
    await page.getByText('We sent a code').waitFor();
    await enter(page, await codeFor(email));
  }

  async function openSecurity(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Open security' }).click();
    await page.getByRole('heading', { name: 'Security', level: 1 }).waitFor();
  }

  /** What a telephone reads from the picture on the screen. */
  async function scanned(page: Page): Promise<URL> {
    return new URL(await scanQrCode(page.locator('#app-qr')));
  }

  /** The flaws of a page on a telephone and on a desk, light and dark. Leaves a picture of each. */
  async function flawsOfAll(page: Page, state: string): Promise<string[]> {
    const flaws: string[] = [];
    const before = page.viewportSize()!;
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        flaws.push(...(await flawsOf(page)));
        const path = `${SCREENSHOTS}/security-${state}-${width}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    }
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize(before);
    return flaws;
  }

  it.each(SCHEMES.flatMap((colorScheme) => WIDTHS.map((width) => ({ colorScheme, width }))))(
    'adds an app by its QR code, and signs in with it, $width px wide and $colorScheme',
    async ({ colorScheme, width }) => {
      const email = `app-${width}-${colorScheme}@bank.example`;
      const page = await open(email, { colorScheme, viewport: { width, height: 800 } });
      const requested: string[] = [];
      page.on('request', (request) => requested.push(request.url()));
      const flaws: string[] = [];
      const good = async (state: string): Promise<void> => {
        flaws.push(...(await flawsOf(page)).map((flaw) => `${state}: ${flaw}`));
        const path = `${SCREENSHOTS}/security-${state}-${width}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true });
      };

      await openSecurity(page);
      await good('empty');
      await page.getByLabel('Name of the app').fill('My phone');
      await page.getByRole('button', { name: 'Add app' }).click();
      await page.locator('#code-details').getByText('Authenticator app').waitFor();
      await enterSent(page, email);
      await page.getByRole('heading', { name: 'Scan this with your app' }).waitFor();
      await good('app');
      const uri = await scanned(page);
      expect(decodeURIComponent(uri.pathname)).toBe(`/Sample Bank:${email}`);
      const secret = uri.searchParams.get('secret')!;
      // What is typed is what is scanned.
      expect((await page.locator('#app-secret').textContent())!.replaceAll(' ', '')).toBe(secret);
      const app = new TestAuthenticator(secret, Date);
      await page.getByLabel('Code that the app shows').fill(app.wrongCode());
      await page.getByRole('button', { name: 'Add app' }).click();
      await page.getByRole('alert').getByText('The code is wrong.').waitFor();
      await good('app-wrong-code');
      await page.getByLabel('Code that the app shows').fill(app.code());
      await page.getByRole('button', { name: 'Add app' }).click();
      await status(page, 'Your authenticator app is added.');
      await good('recovery');
      const codes = await page.locator('#recovery-codes li').allTextContents();
      expect(codes).toHaveLength(10);
      await context.grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('button', { name: 'Copy' }).click();
      await status(page, 'The codes are copied.');
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(`${codes.join('\n')}\n`);
      await page.getByRole('button', { name: 'I have kept them' }).click();
      await page.locator('#factors').getByText('My phone').waitFor();
      await good('list');
      // Neither is anywhere in the page, nor was it in a URL.
      const html = await page.content();
      for (const shown of [secret, ...codes]) expect(html).not.toContain(shown);
      expect(requested.length).toBeGreaterThan(5);
      for (const each of requested) expect(each).not.toContain(secret);

      await page.getByRole('button', { name: 'Back to your account' }).click();
      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await page.locator('#sign-in-email').fill(email);
      await giveSignIn(page);
      await page.getByLabel('Code from your authenticator app').waitFor();
      await good('sign-in');
      await page.getByRole('button', { name: 'Recovery code', exact: true }).click();
      await page.getByLabel('Recovery code', { exact: true }).fill(codes[0]!);
      await good('recovery-code');
      await page.getByRole('button', { name: 'Confirm' }).click();
      await status(page, 'You are signed in.');

      // The name is changed, and the app removed, each with a code of the app or a recovery code.
      await openSecurity(page);
      await page.getByText('Codes left: 9').waitFor();
      await page.getByRole('button', { name: 'Rename My phone' }).click();
      await page.getByLabel('New name of My phone').fill('Old phone');
      await good('rename');
      await page.getByRole('button', { name: 'Rename', exact: true }).click();
      await enter(page, app.code(1));
      await status(page, 'The name is changed.');
      await page.getByRole('button', { name: 'Remove Old phone' }).click();
      await page.getByText('Your recovery codes become void.').waitFor();
      await good('remove');
      await page.getByRole('button', { name: 'Recovery code', exact: true }).click();
      await enter(page, codes[1]!);
      await status(page, 'Old phone is removed.');
      await page.locator('#no-factors').waitFor();
      expect(flaws).toEqual([]);
      await context.close();
    },
    180_000,
  );

  it('adds a passkey that pays 10 EUR, and whose answer for that pays no 1,000 EUR', async () => {
    const email = 'passkey@bank.example';
    const page = await open(email);
    await bank.dataSource.getRepository(User).update({ email }, { balanceCents: 200_000 });
    await page.reload();
    await addVirtualAuthenticator(page);
    await openSecurity(page);
    await page.getByLabel('Name of the device').fill('My laptop');
    await page.evaluate(`
      window.createOfTheBrowser = navigator.credentials.create;
      navigator.credentials.create = () => Promise.reject(new DOMException('', 'NotAllowedError'));
    `);
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await enterSent(page, email);
    // The customer has closed the dialog of the browser. The second try needs no second code.
    await status(page, 'No passkey was used. Please try again.');
    await page.evaluate('navigator.credentials.create = window.createOfTheBrowser');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await status(page, 'Your passkey is added.');
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.locator('#factors').getByText('My laptop').waitFor();
    expect(await flawsOfAll(page, 'passkeys')).toEqual([]);
    await page.getByRole('button', { name: 'Back to your account' }).click();

    const ask = async (amount: string): Promise<void> => {
      await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
      await page.getByLabel('Amount in EUR').fill(amount);
      await page.getByRole('button', { name: 'Transfer' }).click();
      await page.getByRole('button', { name: 'Use passkey' }).waitFor();
    };
    const use = (): Promise<void> => page.getByRole('button', { name: 'Use passkey' }).click();

    await ask('10');
    await page.locator('#code-details').getByText('10.00 EUR').waitFor();
    // What to do without it.
    await page.getByText('You do not have your passkey?').click();
    await page.getByText('remove the lost passkey by a recovery code').waitFor();
    expect(await flawsOfAll(page, 'transfer')).toEqual([]);
    // The answer for 10 EUR does not reach the bank, so that it is a fresh one.
    const CONFIRM = '**/2factor/confirm';
    const confirmed = page.waitForRequest(CONFIRM);
    await page.route(CONFIRM, (call) => call.abort());
    await use();
    const kept = (await confirmed).postDataJSON() as { id: string; response: unknown };
    await page.getByRole('alert').waitFor();
    await page.unroute(CONFIRM);
    await page.locator('#code-cancel').click();

    // A page of a thief, which shows 10 EUR and asks the bank for 1,000 EUR.
    await page.route(CONFIRM, (call) => {
      const body = call.request().postDataJSON() as object;
      return call.continue({ postData: JSON.stringify({ ...body, response: kept.response }) });
    });
    await ask('1000');
    await use();
    await page.getByRole('alert').getByText('The passkey was refused.').waitFor();
    await page.unroute(CONFIRM);
    // For 10 EUR it is right.
    const answer = await page.evaluate(async (body) => {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      return (await fetch('/api/v1/auth/2factor/confirm', init)).status;
    }, kept);
    expect(answer).toBe(200);
    // The right answer to the question about 1,000 EUR pays, and so does one about 10 EUR.
    await use();
    await status(page, 'Paid 1000.00 EUR to bob@bank.example.');
    await ask('10');
    await use();
    await status(page, 'Paid 10.00 EUR to bob@bank.example.');

    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.locator('#sign-in-email').fill(email);
    await giveSignIn(page);
    await page.getByRole('button', { name: 'Use passkey' }).waitFor();
    expect(await flawsOfAll(page, 'sign-in-passkey')).toEqual([]);
    await use();
    await status(page, 'You are signed in.');
    await context.close();
  }, 180_000);

  it('adds a passkey when the page was reloaded at the code', async () => {
    const email = 'reloaded@bank.example';
    const page = await open(email);
    await addVirtualAuthenticator(page);
    await openSecurity(page);
    await page.getByLabel('Name of the device').fill('My laptop');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByText('We sent a code').waitFor();
    await page.reload();
    await enterSent(page, email);
    await status(page, 'Your passkey is added.');
    expect(await page.locator('#recovery-codes li').count()).toBe(10);
    await context.close();
  }, 180_000);

  it('remembers a browser, and forgets it', async () => {
    const email = 'remembered@bank.example';
    const page = await open(email);
    const signIn = async (): Promise<void> => {
      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await status(page, 'You are signed out.');
      await page.locator('#sign-in-email').fill(email);
      await giveSignIn(page);
    };
    await signIn();
    await page.getByText('We sent a code').waitFor();
    await page.getByLabel('Remember this browser for 30 days').check();
    await enterSent(page, email);
    await status(page, 'You are signed in.');

    // No code is asked for.
    await signIn();
    await status(page, 'You are signed in.');
    await openSecurity(page);
    await page
      .locator('#devices')
      .getByText(/on Linux/)
      .waitFor();
    expect(await flawsOfAll(page, 'devices')).toEqual([]);
    await page.getByRole('button', { name: /^Forget / }).click();
    await enterSent(page, email);
    await status(page, 'is forgotten.');
    await page.locator('#no-devices').waitFor();
    await page.getByRole('button', { name: 'Back to your account' }).click();
    await signIn();
    await page.getByText('We sent a code').waitFor();
    await context.close();
  }, 180_000);

  it('says where passkeys work on an address where they do not', async () => {
    const page = await open('address@bank.example', {}, bank.url);
    await openSecurity(page);
    await page.locator('#passkey-elsewhere').getByText(`Passkeys work at ${url} only.`).waitFor();
    expect(await page.locator('#passkey-form').isHidden()).toBe(true);
    expect(await flawsOf(page)).toEqual([]);
    await context.close();
  }, 180_000);
});
