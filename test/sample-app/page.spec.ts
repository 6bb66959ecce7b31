import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { codeIn, Customer, PASSWORD, TWO_FACTOR, untilAllDelivered } from '../support/customer.js';

async function look(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  expect(await page.evaluate(overflow), `${name} scrolls sideways`).toBe(0);
}

/** The id of what has the focus, also inside of the element. */
const focused = (page: Page): Promise<unknown> =>
  page.evaluate('(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).id');

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  let browser: Browser;
  let bank: Bank;
  let context: BrowserContext;
  const complaints: string[] = [];

  beforeAll(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    bank = await startBank({ hasPages: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });

  afterAll(async () => {
    await browser?.close();
    await bank?.close();
  });

  async function openPage(options: {
    width: number;
    colorScheme: 'light' | 'dark';
  }): Promise<Page> {
    const { width, colorScheme } = options;
    context = await browser.newContext({ colorScheme, viewport: { width, height: 640 } });
    context.setDefaultTimeout(120_000);
    const page = await context.newPage();
    // Refusals are expected; scripts that fail and what the security policy blocks are not.
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text());
      }
    });
    await page.goto(bank.url);
    return page;
  }

  async function leave(): Promise<void> {
    await context.close();
    expect(complaints).toEqual([]);
  }

  /** Reads the last code for an address as a person would: in the other tab. */
  async function codeFromInbox(to: string): Promise<string> {
    await untilAllDelivered(bank.url);
    const inbox = await context.newPage();
    await inbox.goto(`${bank.url}/inbox`);
    const text = await inbox.locator(`[data-to="${to}"] pre`).first().innerText();
    await inbox.close();
    return codeIn(text);
  }

  it.each([
    { width: 1024, colorScheme: 'light' },
    { width: 360, colorScheme: 'dark' },
  ] as const)(
    'leads through the bank when it is $width px wide and $colorScheme',
    async (options) => {
      const view = `${options.width}-${options.colorScheme}`;
      const email = `ann-${view}@bank.example`;
      const phone = `+49151${options.width}${options.colorScheme === 'dark' ? '1111' : '2222'}`;
      const page = await openPage(options);
      const confirm = async (to: string): Promise<void> => {
        await page.getByLabel('Code', { exact: true }).fill(await codeFromInbox(to));
        await page.getByRole('button', { name: 'Confirm' }).click();
      };
      const status = page.getByRole('status');
      await look(page, `${view}-1-sign-in`);

      await page.getByRole('button', { name: 'Sign up' }).click();
      await look(page, `${view}-2-sign-up`);
      await page.locator('#sign-up').getByLabel('E-mail').fill(email);
      await page.locator('#sign-up').getByLabel('Password').fill(PASSWORD);
      // The countdowns stand still until the test advances them, however long the machine needs to read them.
      await page.clock.install();
      await page.clock.pauseAt(Date.now() + 10_000);
      await page.getByRole('button', { name: 'Continue' }).click();

      // The code: where it went, how long it lives, how many tries there are, when it may be sent again.
      const field = page.getByLabel('Code', { exact: true });
      await field.waitFor();
      expect(await focused(page)).toBe('code');
      expect(await field.getAttribute('inputmode')).toBe('numeric');
      expect(await page.locator('[autocomplete="one-time-code"]').count()).toBe(1);
      await page.getByText(/^Attempts left: .?5.?$/).waitFor();
      const countdown = page.getByRole('timer');
      expect(await countdown.innerText()).toMatch(/^Time left: .?(?:10:00|9:5\d).?$/);
      await untilAllDelivered(bank.url);
      // The element asks every few seconds what became of the message.
      await page.clock.runFor(3_000);
      await page.getByText(/^We sent a code to .?a\*\*\*@b\*\*\*\.example.?\.$/).waitFor();
      await page.getByText(/^Time left: .?9:5[0-8].?$/).waitFor();
      const resend = page.getByRole('button', { name: 'Send the code again' });
      expect(await resend.innerText()).toMatch(/in .?0:[0-3]\d/);
      await look(page, `${view}-3-code`);
      await resend.click({ force: true });
      await status.getByText(/^Please wait .?\d+.? seconds/).waitFor();
      await page.clock.resume();

      const code = await codeFromInbox(email);
      await field.fill(code.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)));
      await page.getByRole('button', { name: 'Confirm' }).click();
      await page.getByText(/ Attempts left: .?4.?\.$/).waitFor();
      expect(await field.getAttribute('aria-invalid')).toBe('true');
      expect(await focused(page)).toBe('code');
      await look(page, `${view}-4-wrong-code`);
      await confirm(email);

      // The sign-in needs no mouse.
      await status.getByText('Your account is open.').waitFor();
      expect(await focused(page)).toBe('sign-in-password');
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.value')).toBe('email');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await field.waitFor();
      await page.keyboard.type(await codeFromInbox(email));
      await page.keyboard.press('Enter');
      await status.getByText('You are signed in.').waitFor();
      expect(await focused(page)).toBe('account-title');
      await page.getByText('1000.00 EUR', { exact: true }).waitFor();
      await look(page, `${view}-5-account`);

      const another = await new Customer(bank.url, email).signIn();
      await page.getByLabel('New number').fill(phone);
      await page.locator('#phone-password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Change number' }).click();
      await page.getByText('First code of two').waitFor();
      await look(page, `${view}-5-phone-first-code`);
      await confirm(email);
      await page.getByText('Second code of two').waitFor();
      await confirm(phone);
      await status.getByText('Your phone number is changed.').waitFor();
      expect(await another.isSignedIn()).toBe(false);

      await page.locator('#old-password').fill(PASSWORD);
      await page.locator('#new-password').fill('another horse battery');
      await page.locator('#password-form').getByLabel('Text message').check();
      await page.getByRole('button', { name: 'Change password' }).click();
      await field.waitFor();
      await confirm(phone);
      await status.getByText('Your password is changed.').waitFor();
      await status.getByText('make new ones under Security').waitFor();

      const third = await new Customer(bank.url, email, 'another horse battery').signIn();
      // Only a browser that signed in before this one can be signed out from here.
      await bank.dataSource.query(
        'UPDATE bank_session SET created_at = 1 WHERE created_at = (SELECT max(created_at) FROM bank_session)',
      );
      await page.reload();
      await page.getByRole('button', { name: 'Sign out the browser since' }).click();
      await status.getByText('That browser is signed out.').waitFor();
      expect(await third.isSignedIn()).toBe(false);
      await look(page, `${view}-5-changed`);

      const paid: number[] = [];
      page.on('response', (response) => {
        if (response.url().endsWith('/transfers') && response.request().method() === 'POST') {
          paid.push(response.status());
        }
      });
      await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
      await page.getByLabel('Amount in EUR').fill('10,50');
      await page.locator('#transfer-form').getByLabel('Text message').check();
      await page.getByRole('button', { name: 'Transfer' }).click();
      await page.locator('#code-details').getByText('10.50 EUR').waitFor();
      await look(page, `${view}-6-transfer-code`);
      await confirm(phone);
      await status.getByText('Paid 10.50 EUR to bob@bank.example.').waitFor();
      await page.getByText('989.50 EUR', { exact: true }).waitFor();
      await look(page, `${view}-7-paid`);

      await page.getByRole('button', { name: 'Try to use it a second time' }).click();
      await status.getByText('Refused: this confirmation is already used.').waitFor();
      expect(paid).toEqual([204, 409]);
      await look(page, `${view}-8-second-use`);

      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await status.getByText('You are signed out.').waitFor();
      await page.goto(`${bank.url}/inbox`);
      await page.locator(`[data-to="${phone}"]`).first().waitFor();
      await look(page, `${view}-9-inbox`);
      await leave();
    },
  );

  it('sends one code for a double click, and for a login that is started again after a reload', async () => {
    const email = 'twice@bank.example';
    await new Customer(bank.url, email).signUp();
    const page = await openPage({ width: 1024, colorScheme: 'light' });
    const asked: string[] = [];
    page.on('response', (response) => {
      if (!response.url().endsWith('/request-confirmation')) return;
      void response.json().then(({ id }: { id: string }) => asked.push(id));
    });
    const messages = async (): Promise<number> => {
      await untilAllDelivered(bank.url);
      const kept = await page.request.get(`${bank.url}/inbox/messages`);
      return ((await kept.json()) as { to: string }[]).filter(({ to }) => to === email).length;
    };
    const signIn = async (): Promise<void> => {
      await page.getByLabel('E-mail', { exact: true }).first().fill(email);
      await page.locator('#sign-in-password').fill(PASSWORD);
      await page.locator('#sign-in-form [type=submit]').dblclick();
      await page.getByLabel('Code', { exact: true }).waitFor();
    };
    const before = await messages();
    await signIn();
    // A reload comes back to the code, and so does a sign-in that begins again.
    await page.reload();
    await page.getByLabel('Code', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await signIn();
    expect(await messages()).toBe(before + 1);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(new Set(asked).size).toBe(1);
    await page.getByLabel('Code', { exact: true }).fill(await codeFromInbox(email));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByRole('status').getByText('You are signed in.').waitFor();

    // The next sign-in is another one.
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await signIn();
    expect(await messages()).toBe(before + 2);
    await leave();
  });

  it('comes back to the same step after a reload, and asks only for what it may not keep', async () => {
    const email = 'reload@bank.example';
    const phone = '+4915112340000';
    const page = await openPage({ width: 1024, colorScheme: 'light' });
    const status = page.getByRole('status');
    const field = page.getByLabel('Code', { exact: true });
    const confirm = async (to: string): Promise<void> => {
      await field.waitFor();
      await page.reload();
      await field.fill(await codeFromInbox(to));
      await page.getByRole('button', { name: 'Confirm' }).click();
    };

    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.reload();
    await page.locator('#sign-up-email').fill(email);
    await page.locator('#sign-up-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await confirm(email);
    await status.getByText('Enter your password again to finish.').waitFor();
    // The proof survives too.
    await page.reload();
    await status.getByText('Enter your password again to finish.').waitFor();
    expect(await page.locator('#sign-up-email').inputValue()).toBe(email);
    await page.locator('#sign-up-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await status.getByText('Your account is open.').waitFor();

    await page.locator('#sign-in-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await confirm(email);
    await status.getByText('You are signed in.').waitFor();

    await page.getByLabel('New number').fill(phone);
    await page.locator('#phone-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Change number' }).click();
    await confirm(email);
    await page.getByText('Second code of two').waitFor();
    await confirm(phone);
    await status.getByText('Enter your password again to finish.').waitFor();
    await page.locator('#phone-password').fill('a wrong password');
    await page.getByRole('button', { name: 'Change number' }).click();
    await status.getByText('Wrong password.').waitFor();
    // The codes are not lost by that.
    await page.locator('#phone-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Change number' }).click();
    await status.getByText('Your phone number is changed.').waitFor();

    await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
    await page.getByLabel('Amount in EUR').fill('10,5');
    await page.getByRole('button', { name: 'Transfer' }).click();
    await confirm(email);
    await status.getByText('Paid 10.50 EUR to bob@bank.example.').waitFor();

    await page.getByRole('button', { name: 'Open security' }).click();
    await page.getByRole('heading', { name: 'Security', level: 1 }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Security', level: 1 }).waitFor();
    const kept = await page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })');
    expect(kept).not.toContain(PASSWORD);
    await leave();
  });

  it('asks for no code for an amount that cannot be paid, and shows one message at a time', async () => {
    const email = 'amounts@bank.example';
    await new Customer(bank.url, email).signUp();
    const page = await openPage({ width: 1024, colorScheme: 'light' });
    const status = page.locator('#status');
    await page.locator('#sign-in-email').fill(email);
    await page.locator('#sign-in-password').fill('a wrong password');
    await page.getByRole('button', { name: 'Continue' }).click();
    await status.getByText('Wrong e-mail or password.').waitFor();
    const ground = 'getComputedStyle(document.getElementById("status")).backgroundColor';
    const refused = await page.evaluate(ground);
    await page.locator('#sign-in-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    const field = page.getByLabel('Code', { exact: true });
    await field.waitFor();
    // What was refused before is no longer said.
    expect(await status.innerText()).toBe('');
    await field.fill(await codeFromInbox(email));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await status.getByText('You are signed in.').waitFor();
    expect(await page.evaluate(ground)).not.toBe(refused);

    const before = await new Customer(bank.url, email).messages(email);
    for (const [payee, amount, words] of [
      ['bob@bank.example', '0', 'Enter more than nothing.'],
      ['bob@bank.example', '1000.01', 'You have 1000.00 EUR.'],
      [email, '1', 'That is your own address.'],
    ] as const) {
      await page.getByLabel('Payee’s e-mail').fill(payee);
      await page.getByLabel('Amount in EUR').fill(amount);
      await page.getByRole('button', { name: 'Transfer' }).click();
      await page.getByRole('alert').getByText(words).waitFor();
    }
    expect(await new Customer(bank.url, email).messages(email)).toEqual(before);
    await leave();
  });

  it('shows the mailbox and the phone beside it where there is room', async () => {
    const email = 'beside@bank.example';
    const page = await openPage({ width: 768, colorScheme: 'light' });
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.locator('#sign-up-email').fill(email);
    await page.locator('#sign-up-password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    const message = page
      .locator('#mails')
      .locator(`[data-to="${email}"]`)
      .getByText('Your code is');
    await message.waitFor();
    await page.setViewportSize({ width: 360, height: 640 });
    await message.waitFor({ state: 'hidden' });
    expect(await page.locator('#beside').isVisible()).toBe(false);
    await leave();
  });

  it('gives every control a name, which screen readers read', async () => {
    const page = await openPage({ width: 320, colorScheme: 'light' });
    await page.locator('#sign-in').waitFor();

    const nameless = await page.evaluate(`
        [...document.querySelectorAll('input, button, a')]
          .filter((control) => !(control.labels?.length || control.textContent.trim()))
          .map(({ outerHTML }) => outerHTML)
      `);

    expect(nameless).toEqual([]);
    expect(await page.getByRole('status').getAttribute('aria-live')).toBe('polite');
    await leave();
  });

  it('has Swagger UI beside it in development', async () => {
    const page = await openPage({ width: 1024, colorScheme: 'light' });
    await page.goto(`${bank.url}/api`);

    await page.getByRole('heading', { name: /^Sample Bank/ }).waitFor();
    const route = page.getByText(`${TWO_FACTOR}/request-confirmation`, { exact: true });
    await route.waitFor();
    expect(await route.count()).toBe(1);

    await page.screenshot({ path: join(SCREENSHOTS, 'swagger.png') });
    await leave();
  });
});
