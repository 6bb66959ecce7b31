import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { untilAllDelivered } from '../support/customer.js';
import { SampleCopy, type Sample } from '../support/sample-app.js';
import { SIDEWAYS, flawsOf } from './audit.js';
import { status, walkByKeyboard, wrong } from './keyboard-walk.js';

const PASSWORD = 'correct horse battery';
/** The other width in which a state is pictured, of the same side of the breakpoint. */
const PICTURED_BESIDE = { 320: 360, 1280: 768 } as const;

/** Whether a customer at the end of the page does not see what the page says about the button there. */
const UNSEEN = `(() => {
  const status = document.querySelector('.desk #status');
  if (status === null || status.textContent === '') return false;
  scrollTo(0, document.body.scrollHeight);
  const { top, bottom } = status.getBoundingClientRect();
  scrollTo(0, 0);
  return top < 0 || bottom > innerHeight;
})()`;

let copy: SampleCopy;

beforeAll(async () => {
  copy = await SampleCopy.make();
}, 600_000);

afterAll(() => copy.remove());

describe.each(hasChromium ? [CHROMIUM] : [])('The pages in %s', (executablePath) => {
  let browser: Browser;
  let sample: Sample;
  let context: BrowserContext;

  beforeAll(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    sample = await copy.start('npm', { DATA_FOLDER: await copy.dataFolder() });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  }, 600_000);

  afterAll(async () => {
    await browser?.close();
    await sample?.stop();
  });

  async function open(
    options: Parameters<Browser['newContext']>[0] = {},
    path = '/',
  ): Promise<Page> {
    context = await browser.newContext({ viewport: { width: 320, height: 640 }, ...options });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    await page.goto(`${sample.url}${path}`);
    return page;
  }

  async function codeFor(to: string): Promise<string> {
    await untilAllDelivered(sample.url);
    const response = await fetch(`${sample.url}/inbox/messages`);
    const messages = (await response.json()) as { to: string; text: string }[];
    const code = /\b\d{6}\b/.exec(
      messages.find((each) => each.to === to && /\b\d{6}\b/.test(each.text))?.text ?? '',
    )?.[0];
    if (code === undefined) throw new Error(`There is no code for ${to}.`);
    return code;
  }

  it('have an inbox that is good while it is empty', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open({ colorScheme }, '/inbox');
      await status(page, 'Nothing here yet.');
      expect(await flawsOf(page), colorScheme).toEqual([]);
      await context.close();
    }
  });

  it.each([
    { width: 320, colorScheme: 'light' },
    { width: 320, colorScheme: 'dark' },
    { width: 1280, colorScheme: 'light' },
    { width: 1280, colorScheme: 'dark' },
  ] as const)(
    'are good in every state, $width px wide and $colorScheme',
    async ({ width, colorScheme }) => {
      const email = `axe-${width}-${colorScheme}@bank.example`;
      const phone = `+4916${width}${colorScheme === 'dark' ? '1111' : '2222'}`;
      const page = await open({ colorScheme, viewport: { width, height: 800 } });
      const flaws: string[] = [];
      let states = 0;
      const good = async (state: string): Promise<void> => {
        states += 1;
        if (await page.evaluate(UNSEEN)) flaws.push(`${state}: what is said is out of view`);
        flaws.push(...(await flawsOf(page)).map((flaw) => `${state}: ${flaw}`));
        for (const each of [width, PICTURED_BESIDE[width]]) {
          await page.setViewportSize({ width: each, height: 800 });
          const name = `sample-${String(states).padStart(2, '0')}-${each}-${colorScheme}.png`;
          await page.screenshot({ path: join(SCREENSHOTS, name), fullPage: true });
          if ((await page.evaluate(SIDEWAYS)) !== 0) flaws.push(`${state}: sideways at ${each}`);
        }
        await page.setViewportSize({ width, height: 800 });
      };
      const field = page.getByLabel('Code', { exact: true });
      const enter = async (code: string): Promise<void> => {
        await field.fill(code);
        await page.getByRole('button', { name: 'Confirm' }).click();
      };

      /** Refuses the next call of a route of the module. */
      const refuse = async (route: string, slug: string, members: object = {}): Promise<void> => {
        const body = { ...problem(slug), ...members };
        const contentType = 'application/problem+json';
        await page.route(
          `**/2factor/${route}`,
          (call) => call.fulfill({ status: body.status, contentType, body: JSON.stringify(body) }),
          { times: 1 },
        );
      };
      const transfer = page.getByRole('button', { name: 'Transfer' });
      const cancel = async (): Promise<void> => {
        await page.getByRole('button', { name: 'Cancel' }).click();
        await status(page, 'Cancelled.');
      };

      await page.locator('#sign-in').waitFor();
      await good('signed out');
      await page.locator('#sign-in-email').fill('nobody@bank.example');
      await page.locator('#sign-in-password').fill('wrong password');
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.locator('#status.refused').waitFor();
      await good('wrong password');

      await page.getByRole('button', { name: 'Sign up' }).click();
      await good('signing up');
      await page.locator('#sign-up').getByLabel('E-mail').fill(email);
      await page.locator('#sign-up').getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Continue' }).click();
      await field.waitFor();
      await good('code asked');
      const code = await codeFor(email);
      await enter(wrong(code));
      await page.getByRole('alert').getByText('The code is wrong.').waitFor();
      await good('wrong code');
      await page.getByRole('button', { name: 'Send the code again' }).click({ force: true });
      await status(page, 'Please wait');
      await good('too early to send again');
      await enter(code);
      await status(page, 'Your account is open.');
      await good('signed up');
      expect(await page.locator('#sign-in-password').inputValue()).toBe('');

      await page.locator('#sign-in-password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Continue' }).click();
      await field.waitFor();
      await enter(await codeFor(email));
      await status(page, 'You are signed in.');
      await good('signed in, without transfers');

      await page.getByLabel('New number').fill(phone);
      await page.locator('#phone-password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Change number' }).click();
      await page.getByText('First code of two').waitFor();
      await good('first code for the phone number asked');
      await enter(await codeFor(email));
      await page.getByText('Second code of two').waitFor();
      await good('second code for the phone number asked');
      await enter(await codeFor(phone));
      await status(page, 'Your phone number is changed.');
      await good('phone number changed');
      await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
      await page.getByLabel('Amount in EUR').fill('5000');
      await page.getByRole('button', { name: 'Transfer' }).click();
      await page.getByRole('alert').getByText('You have 1000.00 EUR.').waitFor();
      await good('too much money');
      await page.getByLabel('Amount in EUR').fill('10,50');
      await refuse('request-confirmation', 'too-many-requests', { retryAfter: 300 });
      await transfer.click();
      await status(page, /^There were too many tries\. You can try again after \d/);
      await good('too many transfers');
      await refuse('request-confirmation', 'send-failed', { id: '0'.repeat(36), retryAfter: 30 });
      await transfer.click();
      await page.getByRole('alert').getByText('The code could not be sent.').waitFor();
      await good('the message failed');
      await cancel();
      await transfer.click();
      await page.locator('#code-details').getByText('10.50 EUR').waitFor();
      await good('code for a transfer asked');
      await refuse('confirm', 'too-many-requests', { retryAfter: 300 });
      await enter('000000');
      await page.getByRole('alert').getByText('Too many attempts.').waitFor();
      await good('too many codes');
      await cancel();
      await transfer.click();
      await field.waitFor();
      await refuse('confirm', 'expired');
      await enter('000000');
      await page.getByRole('alert').getByText('The time is up. Please start again.').waitFor();
      await good('code expired');
      await cancel();
      await transfer.click();
      await field.waitFor();
      await enter(await codeFor(email));
      await status(page, 'Paid 10.50 EUR');
      await good('paid');
      await page.getByRole('button', { name: 'Try to use it a second time' }).click();
      await status(page, 'Refused: this confirmation is already used.');
      await good('second use refused');

      await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
      await page.getByLabel('Amount in EUR').fill('20');
      await page.route('**/api/v1/transfers', async (call) => {
        if (call.request().method() === 'POST') await call.fetch();
        await call.abort();
      });
      await transfer.click();
      await field.waitFor();
      await enter(await codeFor(email));
      await status(page, 'The server does not answer. Please try again.');
      await good('the answer to a transfer is lost');
      await page.unroute('**/api/v1/transfers');
      await transfer.click();
      await status(page, 'This was done before. Look at your transfers.');
      await good('the transfer was done before');

      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await status(page, 'You are signed out.');
      await good('signed out again');

      await page.route('**/api/v1/offer', (call) => call.abort());
      await page.reload();
      await status(page, 'The server does not answer. Please reload.');
      await good('no server at the start');
      await page.unroute('**/api/v1/offer');
      await page.getByRole('button', { name: 'Reload' }).click();
      await page.locator('#sign-in').waitFor();

      await page.goto(`${sample.url}/deliveries`);
      await page.locator('[data-status=sent]').first().waitFor();
      await page.getByLabel('Gateway north is switched on').uncheck();
      await good('deliveries');
      await page.getByLabel('Gateway north is switched on').check();
      await page.goto(`${sample.url}/inbox`);
      await page.locator(`[data-to="${phone}"]`).first().waitFor();
      await good('full inbox');
      await context.setOffline(true);
      await status(page, 'The server does not answer.');
      await good('inbox without its server');
      expect(flaws).toEqual([]);
      expect(states).toBe(26);
      await context.close();
    },
    180_000,
  );

  it('are found faulty when a label, a contrast, a name and the language are taken from them', async () => {
    const page = await open();
    await page.locator('#sign-in').waitFor();
    await page.evaluate(`
      document.querySelector('label[for=sign-in-email]').remove();
      document.querySelector('#sign-in-title').style.color = '#cccccc';
      document.querySelector('#sign-in-form button').textContent = '';
      document.documentElement.removeAttribute('lang');
      document.querySelector('#status').setAttribute('role', 'nonsense');
      for (const link of document.querySelectorAll('.link')) {
        link.style.cssText = 'outline: none; min-height: 0; font-size: 6px; line-height: 1';
      }
      document.querySelector('#sign-in-password').style.borderColor = '#eeeeee';
      document.querySelector('main').style.width = '500px';
    `);

    const flaws = (await flawsOf(page)).join('\n');
    for (const flaw of [
      'label: <input id="sign-in-email"',
      'color-contrast: <h1',
      'button-name: <button',
      'html-has-lang: <html',
      'aria-roles: <p id="status"',
      'the edge of sign-in-password is faint: 1.16',
      'the focus ring of <button type="button" class="link"',
      'is small: <button type="button" class="link"',
      'it scrolls sideways',
    ]) {
      expect(flaws).toContain(flaw);
    }
    await context.close();
  });

  it('need no mouse: the whole walk with Tab, Space, Enter, typing and pasting', async () => {
    const page = await open();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    expect(await walkByKeyboard(page, PASSWORD, codeFor)).toBe('sign-in-title');
    await context.close();
  }, 180_000);

  it('let a keyboard skip to the content', async () => {
    const page = await open();
    await page.locator('#sign-in').waitFor();
    const skip = page.getByRole('link', { name: 'Skip to the content' });
    // It is the first of the page: backwards from the title, behind the links.
    for (let presses = 0; presses < 4; presses += 1) await page.keyboard.press('Shift+Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    expect((await skip.boundingBox())?.height).toBeGreaterThanOrEqual(44);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('sign-in-email');
    await context.close();
  });

  it('hold without motion, in wide text and at twice the size', async () => {
    const page = await open({ reducedMotion: 'reduce' });
    await page.locator('#sign-in').waitFor();
    const moving = await page.evaluate(`[...document.querySelectorAll('*')].filter((each) => {
      const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(each);
      return animationName !== 'none' || transitionDuration !== '0s' || scrollBehavior !== 'auto';
    }).length`);
    expect(moving).toBe(0);

    // 1.4.12: wider text spacing does not break it; 1.4.4: nor does twice the size of the text.
    await page.evaluate(`
      for (const each of document.querySelectorAll('*')) {
        each.style.lineHeight = '1.5';
        each.style.letterSpacing = '0.12em';
        each.style.wordSpacing = '0.16em';
      }
      document.documentElement.style.fontSize = '200%';
    `);
    const cut = await page.evaluate(`[...document.querySelectorAll('main *')]
      .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1)
      .filter((each) => !each.matches('input'))
      .map(({ outerHTML }) => outerHTML.slice(0, 80))`);
    expect(cut).toEqual([]);
    expect(await page.evaluate(SIDEWAYS)).toBe(0);
    await context.close();
  });
});
