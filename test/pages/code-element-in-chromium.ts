// <two-factor-code> in Chromium: people who paste what their mail program copied, who use a keyboard or a screen reader, whose
// text runs from right to left, whose clock is wrong, or whose server refuses. An element that fails one of them locks that person
// out of the application.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import { enrolApp } from '../support/authenticator.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { CodePages, type PageInput } from '../support/code-page.js';
import { flawsOf } from './audit.js';

const START = 'purpose="plain" start';

describe.each(hasChromium ? [CHROMIUM] : [])('<two-factor-code> in %s', (executablePath) => {
  let pages: CodePages;
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  let users = 0;

  beforeAll(async () => {
    pages = await CodePages.start();
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
  });

  async function open(
    input: PageInput & { readonly user?: string } = {},
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Page> {
    users += 1;
    const { user = `user${users}`, attributes = START, ...others } = input;
    const { page, context } = await pages.open(browser, user, { ...others, attributes }, options);
    contexts.push(context);
    return page;
  }

  const field = (page: Page) => page.locator('two-factor-code').getByRole('textbox');
  const confirmButton = (page: Page) => page.getByRole('button', { name: 'Confirm' });
  const alertOf = (page: Page) => page.getByRole('alert');
  const phase = async (page: Page, name: string): Promise<void> => {
    await page.locator(`two-factor-code[phase=${name}]`).waitFor({ state: 'attached' });
  };
  const eventsOf = (page: Page): Promise<[string, Record<string, unknown>][]> =>
    page.evaluate('events');
  const code = (): string => pages.test.inbox.lastCode;
  const wrong = (): string => code().replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));

  async function asked(page: Page): Promise<void> {
    await phase(page, 'open');
    await field(page).waitFor();
  }

  async function enter(page: Page, text: string): Promise<void> {
    await field(page).fill(text);
    await confirmButton(page).click();
  }

  async function paste(page: Page, text: string): Promise<void> {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await field(page).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Control+V');
  }

  /** A route that refuses once, with a problem of the server. */
  async function refuse(
    page: Page,
    route: string,
    slug: string,
    members: Record<string, unknown> = {},
  ): Promise<void> {
    const body = { ...problem(slug), ...members };
    await page.route(
      `**/2factor/${route}`,
      (call) =>
        call.fulfill({
          status: body.status,
          contentType: 'application/problem+json',
          body: JSON.stringify(body),
        }),
      { times: 1 },
    );
  }

  it('gives the id of the confirmed confirmation to its form, and blocks the form before that', async () => {
    const page = await open({
      attributes: `${START} required`,
      beside: '<button id="pay">Pay</button>',
      script: `document.querySelector('#transfer').addEventListener('submit', (event) => {
        event.preventDefault();
        window.sent = [...new FormData(event.target)];
      });`,
    });
    await asked(page);

    await page.click('#pay');
    expect(await page.evaluate('window.sent')).toBeUndefined();
    await enter(page, code());
    await phase(page, 'confirmed');
    await page.click('#pay');

    const [id] = await page.evaluate<string[]>('[element.value]');
    expect(id).toMatch(/^[0-9a-v]{30,}$/);
    expect(await page.evaluate('window.sent')).toEqual([['confirmation', id]]);
    expect(await eventsOf(page)).toEqual([
      ['requested', { id }],
      ['confirmed', { id, method: 'code' }],
    ]);
    await page.getByRole('status').getByText('Confirmed.').waitFor();
  });

  it('sends one message for one flow over reloads, and a new one after it was confirmed', async () => {
    const before = pages.test.inbox.deliveries.length;
    const page = await open();
    await asked(page);
    await page.reload();
    await asked(page);
    expect(pages.test.inbox.deliveries).toHaveLength(before + 1);
    await enter(page, code());
    await phase(page, 'confirmed');

    await page.reload();
    await asked(page);

    expect(pages.test.inbox.deliveries).toHaveLength(before + 2);
  });

  it.each([
    ['in groups', (given: string) => ` ${given.slice(0, 3)} ${given.slice(3)}\n`],
    ['with dashes', (given: string) => `${given.slice(0, 3)}\u2011${given.slice(3)}`],
    ['with invisible marks', (given: string) => `\u2068\u200b${given}\u200f\ufeff`],
    [
      'in Arabic-Indic digits',
      (given: string) =>
        given.replaceAll(/\d/g, (digit) => String.fromCharCode(0x06_60 + Number(digit))),
    ],
    [
      'in full-width digits',
      (given: string) =>
        given.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff_10 + Number(digit))),
    ],
    [
      'as the whole message',
      (given: string) =>
        `ACME: ${given.slice(0, 3)} ${given.slice(3)} is your code of 2026 (12345).`,
    ],
  ])('takes a code that is pasted %s', async (_, decorate) => {
    const page = await open();
    await asked(page);

    await paste(page, decorate(code()));

    expect(await field(page).inputValue()).toBe(code());
    await page.keyboard.press('Enter');
    await phase(page, 'confirmed');
  });

  it('leaves a pasted text that holds two codes to the person', async () => {
    const page = await open();
    await asked(page);

    await paste(page, 'either 123456 or 654321');

    expect(await field(page).inputValue()).toBe('either 123456 or 654321');
  });

  it('asks for one field that phones and password managers fill', async () => {
    const page = await open();
    await asked(page);

    expect(await field(page).count()).toBe(1);
    expect(await field(page).getAttribute('autocomplete')).toBe('one-time-code');
    expect(await field(page).getAttribute('inputmode')).toBe('numeric');
    expect(await field(page).getAttribute('maxlength')).toBeNull();
  });

  it('confirms with the code of a text message (Web OTP), and ends the wait for it when it is removed', async () => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: `window.OTPCredential = class {};
        navigator.credentials.get = ({ otp, signal }) => new Promise((resolve, reject) => {
          window.asked = { otp, signal };
          window.arrive = (code) => resolve({ code });
          signal.addEventListener('abort', () => reject(signal.reason));
        });`,
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);

    expect(await page.evaluate('asked.otp')).toEqual({ transport: ['sms'] });
    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await phase(page, 'confirmed');

    const other = await open({
      attributes: 'purpose="plain"',
      script: `window.OTPCredential = class {};
        navigator.credentials.get = ({ signal }) => { window.signal = signal; return new Promise(() => {}); };`,
    });
    await other.getByRole('button', { name: 'Continue' }).click();
    await asked(other);
    await other.evaluate('element.remove()');
    expect(await other.evaluate('signal.aborted')).toBe(true);
  });

  it('counts down to the next message and to the end, and says both once', async () => {
    const page = await open();
    await asked(page);
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    const timer = page.getByRole('timer');
    const status = page.getByRole('status');
    expect(await timer.textContent()).toContain('10:00');
    expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069$/);

    // Pressing it is possible: it says how long to wait.
    await resend.click({ force: true });
    await status.getByText(/Please wait \u206830\u2069 seconds/).waitFor();
    const before = pages.test.inbox.deliveries.length;
    await pages.pass(page, 30);
    await status.getByText('You can have the code sent again now.').waitFor();
    expect(await resend.getAttribute('aria-disabled')).toBeNull();
    await resend.click();
    await status.getByText('The code is on its way again.').waitFor();
    expect(pages.test.inbox.deliveries).toHaveLength(before + 1);
    expect(await resend.textContent()).toMatch(/again in /);

    await pages.pass(page, 510);
    await status.getByText('Valid for one more minute.').waitFor();
    await pages.pass(page, 60);
    await phase(page, 'ended');
    await alertOf(page).getByText('The code has expired.').waitFor();
    expect(await field(page).count()).toBe(0);

    await page.getByRole('button', { name: 'Start again' }).click();
    await asked(page);
    expect(pages.test.inbox.deliveries).toHaveLength(before + 2);
  });

  it.each([
    ['sent', 'We sent a code to \u2068', ''],
    ['failed', '', 'The code could not be sent. Please try again in \u2068'],
  ])(
    'says that a queued message is being sent, that it is late, and that it was %s',
    async (end, sent, alert) => {
      const page = await open({ attributes: 'purpose="plain"' });
      let delivery: Record<string, unknown> = { delivery: 'queued' };
      for (const route of ['request-confirmation', 'check']) {
        await page.route(`**/2factor/${route}`, async (call) => {
          const response = await call.fetch();
          const body = (await response.json()) as Record<string, unknown>;
          await call.fulfill({ response, json: { ...body, ...delivery } });
        });
      }
      await page.getByRole('button', { name: 'Continue' }).click();
      await asked(page);
      const introduction = page.locator('[part=sent]');
      expect(await introduction.textContent()).toContain('We are sending a code to \u2068');
      const status = page.getByRole('status');
      expect(await status.textContent()).toBe('');

      await pages.pass(page, 8);
      await status.getByText('The message takes longer than usual. We keep trying.').waitFor();
      delivery = { delivery: end, ...(end === 'failed' && { deliveryError: 'send-failed' }) };
      await pages.pass(page, 8);
      await expect.poll(() => introduction.textContent()).toMatch(new RegExp(`^${sent}`));
      await expect.poll(() => alertOf(page).textContent()).toMatch(new RegExp(`^${alert}`));
      expect(await status.textContent()).toBe('');
      expect(await introduction.isVisible()).toBe(sent !== '');
      // The code is accepted all the same: a message that failed may have arrived.
      await enter(page, code());
      await phase(page, 'confirmed');
    },
  );

  it.each([
    ['1.5 seconds behind', -1_500],
    ['1.5 seconds ahead', 1_500],
    ['an hour ahead', 3_600_000],
  ])(
    'counts from the answer on, and sends one message for a press, when the clock of the browser is %s',
    async (_, aheadMs) => {
      const page = await open({ attributes: 'purpose="plain"' });
      const before = pages.test.inbox.deliveries.length;
      await page.clock.setSystemTime(pages.clock.now() + aheadMs);
      // Another origin does not let a page read the time of its answers.
      await page.route('**/2factor/*', async (call) => {
        const response = await call.fetch();
        const { date: _date, ...headers } = response.headers();
        await call.fulfill({ response, headers });
      });

      await page.getByRole('button', { name: 'Continue' }).click();
      await asked(page);
      expect(pages.test.inbox.deliveries).toHaveLength(before + 1);
      const timer = page.getByRole('timer');
      const resend = page.getByRole('button', { name: /^Send the code again/ });
      expect(await timer.textContent()).toBe('Valid for \u206810:00\u2069');
      expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069$/);
      await pages.pass(page, 29);
      expect(await timer.textContent()).toBe('Valid for \u20689:31\u2069');
      expect(await resend.textContent()).toMatch(/again in \u20680:01\u2069$/);
      expect(await resend.getAttribute('aria-disabled')).toBe('true');

      await pages.pass(page, 1);
      await resend.click();
      await page.getByRole('status').getByText('The code is on its way again.').waitFor();
      expect(pages.test.inbox.deliveries).toHaveLength(before + 2);
      expect(await alertOf(page).textContent()).toBe('');
    },
  );

  it('tells of a wrong code at once, keeps its field, and ends after the last attempt', async () => {
    const page = await open();
    await asked(page);
    // The region is there before it has something to say. A new one would not be announced.
    await page.evaluate(`window.region = element.shadowRoot.querySelector('[role=alert]')`);

    for (const left of [4, 3, 2, 1]) {
      await enter(page, wrong());
      await alertOf(page)
        .getByText(`The code is wrong. Attempts left: \u2068${left}\u2069.`)
        .waitFor();
    }
    expect(await field(page).getAttribute('aria-invalid')).toBe('true');
    expect(await page.evaluate(`region === element.shadowRoot.querySelector('[role=alert]')`)).toBe(
      true,
    );
    const described = await page.evaluate<string>(`(() => {
      const field = element.shadowRoot.querySelector('input');
      return field.getAttribute('aria-describedby').split(' ')
        .map((id) => element.shadowRoot.getElementById(id).textContent).join(' ');
    })()`);
    expect(described).toMatch(/^We sent a code to .+ The code is wrong.+ Attempts left: /);
    await enter(page, wrong());
    await phase(page, 'ended');
    await alertOf(page).getByText('There were too many wrong codes.').waitFor();
    await page.getByRole('button', { name: 'Start again' }).click();
    await asked(page);
    expect(await alertOf(page).textContent()).toBe('');
  });

  it('says once how many attempts are left, also after a wrong code', async () => {
    const page = await open();
    await asked(page);
    const sentences = page.locator('two-factor-code').getByText(/Attempts left/);
    expect(await sentences.allTextContents()).toEqual(['Attempts left: \u20685\u2069']);

    await enter(page, wrong());
    await alertOf(page).getByText('The code is wrong.').waitFor();

    const said = 'The code is wrong. Attempts left: \u20684\u2069.';
    expect(await sentences.allTextContents()).toEqual([said]);
    // The sentence about the empty field does not say it, so that it is beside the field again.
    await enter(page, ' ');
    await alertOf(page).getByText('Please type the code.').waitFor();
    expect(await sentences.allTextContents()).toEqual(['Attempts left: \u20684\u2069']);
  });

  /** Records what a screen reader announces: changes within live regions, but not within a timer. */
  async function listen(page: Page): Promise<() => Promise<string[]>> {
    await page.evaluate(`(() => {
      window.announced = [];
      const live = (node) => (node.parentElement ?? node).closest('[role=alert], [role=status], [role=timer]');
      new MutationObserver((changes) => {
        const regions = new Set(changes.map(({ target }) => (target.role ? target : live(target))));
        for (const region of regions) {
          if (region && region.role !== 'timer' && region.textContent !== '') {
            announced.push(region.role + ': ' + region.textContent);
          }
        }
      }).observe(element.shadowRoot, { subtree: true, childList: true, characterData: true });
    })()`);
    return () => page.evaluate<string[]>('announced.splice(0)');
  }

  it('counts a wait after too many requests down, and can be pressed at its end', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', { retryAfter: 3_725 });
    const start = page.getByRole('button', { name: 'Continue' });
    const announced = await listen(page);

    await start.click();
    await alertOf(page).getByText('Please wait \u20681:02:05\u2069.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBe('true');
    await pages.pass(page, 3_425);
    await alertOf(page).getByText('Please wait \u20685:00\u2069.').waitFor();
    // A press sends nothing, and answers how long to wait, for as long as that is true.
    await start.click({ force: true });
    const status = page.getByRole('status');
    await status.getByText('Please wait \u20685:00\u2069 before the next try.').waitFor();
    expect(await page.evaluate('element.phase')).toBe('idle');
    await pages.pass(page, 5);
    expect(await status.textContent()).toBe('');
    await pages.pass(page, 294);
    await alertOf(page).getByText('Please wait \u20680:01\u2069.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBe('true');

    await pages.pass(page, 1);
    await status.getByText('You can try again now.').waitFor();
    expect(await alertOf(page).textContent()).toBe('');
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    // Four announcements in more than an hour.
    expect(await announced()).toEqual([
      'status: One moment …',
      'alert: There were too many tries. Please wait \u20681:02:05\u2069.',
      'status: Please wait \u20685:00\u2069 before the next try.',
      'status: You can try again now.',
    ]);
    await start.click();
    await asked(page);
  });

  it('says nothing about attempts when the first message failed, and lets it be sent again', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'send-failed', {
      id: '0'.repeat(36),
      retryAfter: 30,
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    await alertOf(page).getByText('Please try again in \u20680:30\u2069.').waitFor();

    expect(await page.locator('two-factor-code').getByText('Attempts').count()).toBe(0);
    await pages.pass(page, 29);
    await alertOf(page).getByText('Please try again in \u20680:01\u2069.').waitFor();
    await pages.pass(page, 1);
    await page.getByRole('status').getByText('You can have the code sent again now.').waitFor();
    expect(await alertOf(page).textContent()).toBe('');
    const resend = page.getByRole('button', { name: 'Send the code again' });
    expect(await resend.getAttribute('aria-disabled')).toBeNull();
  });

  async function useUpAttempts(page: Page): Promise<void> {
    for (const left of [4, 3, 2, 1]) {
      await enter(page, wrong());
      await alertOf(page).getByText(`Attempts left: \u2068${left}\u2069.`).waitFor();
    }
    await enter(page, wrong());
  }

  it.each(['has expired', 'has ended after five wrong codes'])(
    'waits for the message of a new confirmation that failed when the last one %s',
    async (end) => {
      const page = await open();
      await asked(page);
      if (end === 'has expired') await pages.pass(page, 600);
      else await useUpAttempts(page);
      await phase(page, 'ended');
      await refuse(page, 'request-confirmation', 'send-failed', {
        id: '0'.repeat(36),
        retryAfter: 30,
      });

      await page.getByRole('button', { name: 'Start again' }).click();
      await alertOf(page).getByText('Please try again in \u20680:30\u2069.').waitFor();
      await pages.pass(page, 1);

      await alertOf(page).getByText('Please try again in \u20680:29\u2069.').waitFor();
      expect(await page.evaluate('element.phase')).toBe('open');
      // What was known of the last confirmation is not said of this one.
      const element = page.locator('two-factor-code');
      expect(await element.getByText(/Attempts left|Valid for|We sent a code/).count()).toBe(0);
      await pages.pass(page, 600);
      expect(await page.evaluate('element.phase')).toBe('open');
    },
  );

  it('lets the person start again beside the field when the code cannot be sent again', async () => {
    const page = await open();
    await asked(page);
    const id = await page.evaluate('element.confirmationId');
    const before = pages.test.inbox.deliveries.length;
    await pages.pass(page, 30);
    await refuse(page, 'resend', 'too-many-requests');
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    const start = page.getByRole('button', { name: 'Start again' });
    expect(await start.count()).toBe(0);

    await resend.click();
    await start.waitFor();
    expect(await alertOf(page).textContent()).toBe('The code cannot be sent again.');
    expect(await resend.count()).toBe(0);
    expect(await page.evaluate('element.shadowRoot.activeElement.id')).toBe('code');
    await pages.pass(page, 5);
    expect(await alertOf(page).textContent()).toBe('The code cannot be sent again.');
    // A code that has arrived can still be typed, as the wrong one shows.
    await enter(page, wrong());
    await alertOf(page).getByText('The code is wrong.').waitFor();
    await start.click();
    await expect.poll(() => page.evaluate('element.confirmationId')).not.toBe(id);

    expect(pages.test.inbox.deliveries).toHaveLength(before + 1);
    expect(await alertOf(page).textContent()).toBe('');
    expect(await start.count()).toBe(0);
    expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069$/);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('names no time and blocks no button when a lock has no end', async () => {
    const page = await open();
    await asked(page);
    await refuse(page, 'confirm', 'too-many-requests');

    await enter(page, wrong());
    await alertOf(page).getByText('There were too many tries.').waitFor();

    expect(await alertOf(page).textContent()).toBe('There were too many tries.');
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBeNull();
    expect(await page.getByRole('button', { name: 'Start again' }).count()).toBe(0);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('ends the confirmation when its sender was removed, and starts another one', async () => {
    const page = await open();
    await asked(page);
    const id = await page.evaluate('element.confirmationId');
    await pages.pass(page, 30);
    await refuse(page, 'resend', 'sender-removed');
    await page.getByRole('button', { name: /^Send the code again/ }).click();
    await phase(page, 'ended');
    await alertOf(page).getByText('The code cannot be sent again.').waitFor();

    await page.getByRole('button', { name: 'Start again' }).click();
    await asked(page);
    expect(await page.evaluate('element.confirmationId')).not.toBe(id);
  });

  it('lets a person who is refused for one number try another one at once', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', { retryAfter: 300 });
    const start = page.getByRole('button', { name: 'Continue' });
    await start.click();
    await alertOf(page).getByText('Please wait').waitFor();

    await page.evaluate(`element.token = '+4915112345678'`);
    await pages.pass(page, 1);
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    const request = page.waitForRequest('**/2factor/request-confirmation');
    await start.click();
    expect((await request).postDataJSON()).toMatchObject({ token: '+4915112345678' });
  });

  it('keeps what was not refused usable during a wait', async () => {
    const ann = `ann${(users += 1)}`;
    const { app } = await enrolApp({ ...pages.test, clock: pages.clock }, ann);
    const page = await open({ user: ann, attributes: 'purpose="login" start' });
    await page.getByLabel('Code of your authenticator app').waitFor();
    // No code can be sent: the app confirms all the same.
    await refuse(page, 'resend', 'too-many-requests', { retryAfter: 30 });
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await alertOf(page).getByText('Please wait \u20680:30\u2069.').waitFor();
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBeNull();
    // Too many codes of the app: other ways can be chosen.
    await refuse(page, 'confirm', 'too-many-requests', { retryAfter: 60 });
    await enter(page, app.wrongCode());
    await alertOf(page).getByText('Please wait \u20681:00\u2069.').waitFor();
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBe('true');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('before the next try.').waitFor();
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(await alertOf(page).textContent()).toBe('');

    // A refused repeat: the code that has arrived confirms.
    await pages.pass(page, 30);
    await refuse(page, 'resend', 'too-many-requests', { retryAfter: 90 });
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    await resend.click();
    await alertOf(page).getByText('Please wait \u20681:30\u2069.').waitFor();
    expect(await resend.textContent()).toMatch(/again in \u20681:30\u2069$/);
    await pages.pass(page, 90);
    await page.getByRole('status').getByText('You can have the code sent again now.').waitFor();
    expect(await alertOf(page).textContent()).toBe('');
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  /** The groups of a recovery code that the field displays in more than one line. A copy of the field has nodes to measure. */
  async function brokenGroups(page: Page, text: string): Promise<string[]> {
    return page.evaluate(`(() => {
      const text = ${JSON.stringify(text)};
      const field = element.shadowRoot.querySelector('textarea');
      const style = getComputedStyle(field);
      const copy = document.createElement('div');
      for (const name of style) copy.style.setProperty(name, style.getPropertyValue(name));
      Object.assign(copy.style, { blockSize: 'auto', overflow: 'visible' });
      copy.textContent = text;
      field.after(copy);
      const broken = text.split('-').filter((group) => {
        const range = document.createRange();
        const start = text.indexOf(group);
        range.setStart(copy.firstChild, start);
        range.setEnd(copy.firstChild, start + group.length);
        return range.getClientRects().length > 1;
      });
      copy.remove();
      return broken;
    })()`);
  }

  it.each([360, 320])(
    'shows all of a recovery code, and each group in one line, %i px wide',
    async (width) => {
      const ann = `ann${(users += 1)}`;
      const { recoveryCodes } = await enrolApp({ ...pages.test, clock: pages.clock }, ann);
      const page = await open(
        { user: ann, attributes: 'purpose="login" start' },
        { viewport: { width, height: 640 } },
      );
      await page.getByRole('button', { name: 'Recovery code' }).click();
      await page.getByLabel('Recovery code').waitFor();
      expect(
        await page.evaluate(
          'element.shadowRoot.activeElement === element.shadowRoot.querySelector("textarea")',
        ),
      ).toBe(true);

      // The widest letters.
      for (const text of ['WWWWW-WWWWW-WWWWW-WWWWW-WWWWW', recoveryCodes[0]!]) {
        await field(page).fill(text);
        const hidden = await field(page).evaluate((node) => [
          node.scrollWidth - node.clientWidth,
          node.scrollHeight - node.clientHeight,
        ]);
        expect(hidden).toEqual([0, 0]);
      }
      expect(await brokenGroups(page, recoveryCodes[0]!)).toEqual([]);
      // Safari on a telephone zooms into a field with smaller letters.
      const font = 'parseFloat(getComputedStyle(element.shadowRoot.activeElement).fontSize)';
      expect(await page.evaluate(font)).toBeGreaterThanOrEqual(16);
      await page.keyboard.press('Enter');
      await phase(page, 'confirmed');
    },
  );

  it.each([
    [8, 'input'],
    [12, 'input'],
    [64, 'textarea'],
  ])('shows all of a sent code of %i letters', async (length, tag) => {
    const page = await open(
      { attributes: 'purpose="plain"' },
      { viewport: { width: 320, height: 640 } },
    );
    await page.route('**/2factor/request-confirmation', async (call) => {
      const response = await call.fetch();
      const body = (await response.json()) as object;
      await call.fulfill({ response, json: { ...body, codeLength: length } });
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);

    await field(page).fill('M'.repeat(length));

    const hidden = await field(page).evaluate((node) => [
      node.localName,
      node.scrollWidth - node.clientWidth,
      node.scrollHeight - node.clientHeight,
    ]);
    expect(hidden).toEqual([tag, 0, 0]);
  });

  it('asks for a text before it calls the server with nothing', async () => {
    const page = await open();
    await asked(page);

    await enter(page, ' - ');

    await alertOf(page).getByText('Please type the code.').waitFor();
    expect(await page.getByText(/Attempts left: \u20685/).count()).toBe(1);
  });

  it('switches between the methods of a person: the app, a sent code and a recovery code', async () => {
    const ann = `ann${(users += 1)}`;
    const { app, recoveryCodes } = await enrolApp({ ...pages.test, clock: pages.clock }, ann);
    const page = await open({ user: ann, attributes: 'purpose="login" start' });
    await page.getByLabel('Code of your authenticator app').waitFor();
    expect(await page.getByRole('button', { name: /Send the code again/ }).count()).toBe(0);

    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(pages.test.inbox.deliveries.at(-1)?.token).toBe(`${ann}@example.com`);
    const messages = pages.test.inbox.deliveries.length;
    // After a reload the same message is found again.
    await page.reload();
    await page.getByLabel('Code of your authenticator app').waitFor();
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(pages.test.inbox.deliveries).toHaveLength(messages);
    await page.getByRole('button', { name: 'Recovery code' }).click();
    await page.getByLabel('Recovery code').waitFor();
    expect(await field(page).getAttribute('inputmode')).toBe('text');
    await page.getByRole('button', { name: 'Authenticator app' }).click();
    await enter(page, app.wrongCode());
    await alertOf(page).getByText('The code is wrong.').waitFor();
    await page.getByRole('button', { name: 'Recovery code' }).click();
    expect(await alertOf(page).textContent()).toBe('');
    await enter(page, recoveryCodes[0]!.toLowerCase());
    await phase(page, 'confirmed');

    const [[, requested], ...later] = (await eventsOf(page)) as [[string, object]];
    // The three ways were ways to approve one confirmation.
    expect(later.at(-1)).toEqual(['confirmed', { ...requested, method: 'recovery' }]);
  });

  it('needs no mouse, and leads the focus on', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    const active = (): Promise<string> =>
      page.evaluate(
        'element.shadowRoot.activeElement?.textContent || element.shadowRoot.activeElement?.id',
      );
    await page.keyboard.press('Tab');
    expect(await active()).toBe('Continue');
    await page.keyboard.press('Enter');
    await asked(page);
    expect(await active()).toBe('code');
    await page.keyboard.type(wrong());
    await page.keyboard.press('Enter');
    await alertOf(page).getByText('The code is wrong.').waitFor();
    expect(await active()).toBe('code');
    // The wrong code is selected: what is typed takes its place.
    await page.keyboard.type(wrong());
    expect(await field(page).inputValue()).toBe(wrong());
    await page.keyboard.press('Tab');
    expect(await active()).toBe('Confirm');
    await page.keyboard.press('Tab');
    expect(await active()).toMatch(/^Send the code again/);
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Please wait').waitFor();
    expect(await active()).toMatch(/^Send the code again/);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.type(code());
    await page.keyboard.press('Enter');
    await phase(page, 'confirmed');
    expect(await active()).toBe('Confirmed.');
  });

  it('leaves the focus where it is when it begins by itself', async () => {
    const page = await open({ beside: '<input id="amount" aria-label="Amount" autofocus>' });
    await asked(page);

    expect(await page.evaluate('document.activeElement.id')).toBe('amount');
  });

  it('is a short tree for a screen reader', async () => {
    const page = await open();
    await asked(page);

    expect(await page.locator('two-factor-code').ariaSnapshot()).toBe(
      [
        '- status',
        '- paragraph: We sent a code to \u2068u***@e***.com\u2069.',
        '- alert',
        '- text: Code',
        '- textbox "Code"',
        '- paragraph:',
        '  - text: "Attempts left: \u20685\u2069"',
        '  - timer: Valid for \u206810:00\u2069',
        '- button "Confirm"',
        '- button "Send the code again in \u20680:30\u2069" [disabled]',
      ].join('\n'),
    );
  });

  it('runs from right to left, with the code from left to right, in the words of the page', async () => {
    const page = await open({
      html: 'lang="ar" dir="rtl"',
      script: `TwoFactorCode.texts = {
        code: 'الرمز', confirm: 'تأكيد', sent: 'أرسلنا رمزًا إلى {recipient}.', attempts: 'المحاولات المتبقية: {attempts}',
        valid: 'صالح لمدة {time}', resendIn: 'إعادة إرسال الرمز خلال {time}', resend: 'إعادة إرسال الرمز',
        problems: { 'code-mismatch': 'الرمز خاطئ. المحاولات المتبقية: {attempts}.' },
      };`,
    });
    await asked(page);
    await page.getByLabel('الرمز').waitFor();
    await enterArabic(page);
    // axe waits by timers.
    await page.clock.resume();

    await alertOf(page).getByText('الرمز خاطئ').waitFor();
    const { direction, textAlign } = await page.evaluate<
      Record<'direction' | 'textAlign', string>
    >(`(() => {
      const { direction, textAlign } = getComputedStyle(element.shadowRoot.querySelector('input'));
      return { direction, textAlign };
    })()`);
    expect({ direction, textAlign }).toEqual({ direction: 'ltr', textAlign: 'right' });
    const [label, input] = await Promise.all([
      page.getByText('الرمز', { exact: true }).boundingBox(),
      field(page).boundingBox(),
    ]);
    expect(label!.x + label!.width).toBeCloseTo(input!.x + input!.width, 0);
    expect(await flawsOf(page)).toEqual([]);
    await shoot(page, 'rtl');
  });

  async function enterArabic(page: Page): Promise<void> {
    await field(page).fill(wrong());
    await page.getByRole('button', { name: 'تأكيد' }).click();
  }

  it.each([
    ['no-subject', 'request-confirmation', {}, 'Please sign in first.'],
    [
      'temporarily-unavailable',
      'request-confirmation',
      { retryAfter: 1 },
      'does not work right now',
    ],
    [
      'too-many-requests',
      'request-confirmation',
      { retryAfter: 75 },
      /Please wait \u20681:15\u2069/,
    ],
    ['a-slug-of-tomorrow', 'request-confirmation', {}, 'This does not work right now.'],
  ] as const)('says %s, and can be tried again', async (slug, route, members, sentence) => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, route, slug, members);

    await page.getByRole('button', { name: 'Continue' }).click();
    await alertOf(page).getByText(sentence).waitFor();
    expect((await eventsOf(page)).at(-1)).toMatchObject(['refused', { problem: { error: slug } }]);
    if (slug === 'too-many-requests') await pages.pass(page, members.retryAfter);
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);
  });

  it('goes on when the answer to the right code was lost', async () => {
    const page = await open();
    await asked(page);
    await page.route(
      '**/2factor/confirm',
      async (call) => {
        await call.fetch();
        await call.abort();
      },
      { times: 1 },
    );

    await enter(page, code());
    await alertOf(page).getByText('There is no connection.').waitFor();
    expect(await field(page).inputValue()).toBe(code());
    await confirmButton(page).click();
    await phase(page, 'confirmed');
  });

  /** A script that sets a client of the application, and records rejections that nothing handles. */
  const withClient = (expression: string): string => `
    window.rejections = [];
    addEventListener('unhandledrejection', ({ reason }) => rejections.push(String(reason)));
    const { createTwoFactorClient } = await import('/client/index.js');
    let calls = 0;
    element.client = ${expression};
    document.body.dataset.ready = '';`;
  const isReady = (page: Page): Promise<void> =>
    page.locator('body[data-ready]').waitFor({ state: 'attached' });

  it.each([
    [
      'the headers of the application fail once',
      `createTwoFactorClient({
        headers: async () => {
          calls += 1;
          if (calls === 1) throw new Error('The token could not be refreshed.');
          return {};
        },
      })`,
    ],
    [
      'a client of the application throws once',
      `{
        ...createTwoFactorClient(),
        requestConfirmation: (body, options) => {
          calls += 1;
          if (calls === 1) throw new Error('The token could not be refreshed.');
          return createTwoFactorClient().requestConfirmation(body, options);
        },
      }`,
    ],
  ])('can be pressed again after %s', async (_, expression) => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: withClient(expression),
    });
    await isReady(page);
    const start = page.getByRole('button', { name: 'Continue' });

    await start.click();
    await alertOf(page).getByText('There is no connection. Please try again.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    await start.click();
    await asked(page);

    expect(await page.evaluate('rejections')).toEqual([]);
  });

  it('goes on when a client of the application cannot ask what became of a queued message', async () => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: withClient(`{
        ...createTwoFactorClient(),
        check: async () => {
          calls += 1;
          document.body.dataset.checks = String(calls);
          throw new Error('The token could not be refreshed.');
        },
      }`),
    });
    await page.route('**/2factor/request-confirmation', async (call) => {
      const response = await call.fetch();
      const body = (await response.json()) as object;
      await call.fulfill({ response, json: { ...body, delivery: 'queued' } });
    });
    await isReady(page);
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);

    await pages.pass(page, 2);
    await page.locator('body[data-checks="2"]').waitFor({ state: 'attached' });

    expect(await page.evaluate('rejections')).toEqual([]);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('offers what a locked person can still use', async () => {
    const page = await open({ attributes: 'purpose="login"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', {
      retryAfter: 600,
      methods: ['recovery'],
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    const request = page.waitForRequest('**/2factor/request-confirmation');

    await page.getByRole('button', { name: 'Recovery code' }).click();

    expect((await request).postDataJSON()).toMatchObject({ purpose: 'login', method: 'recovery' });
  });

  it('takes a client and texts that the page set before the module was loaded', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await page.evaluate(`(async () => {
      const early = document.createElement('two-factor-early');
      early.texts = { start: 'Los' };
      document.querySelector('main').append(early);
      customElements.define('two-factor-early', class extends customElements.get('two-factor-code') {});
    })()`);

    expect(await page.getByRole('button', { name: 'Los' }).count()).toBe(1);
  });

  it('follows the fieldset and the reset of its form', async () => {
    const page = await open({
      attributes: 'purpose="plain"',
      beside: '<button type="reset">Reset</button>',
    });
    await page.evaluate(`(() => {
      const fieldset = document.createElement('fieldset');
      element.before(fieldset);
      fieldset.append(element);
      fieldset.disabled = true;
      window.fieldset = fieldset;
    })()`);
    await page.getByRole('button', { name: 'Continue' }).click({ force: true });
    expect(await page.evaluate('element.phase')).toBe('idle');
    await page.evaluate('fieldset.disabled = false');
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);
    await page.getByRole('button', { name: 'Reset' }).click();
    await phase(page, 'idle');
  });

  async function shoot(page: Page, name: string): Promise<void> {
    await mkdir(SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: join(SCREENSHOTS, `code-element-${name}.png`) });
  }

  it.each([
    { width: 360, colorScheme: 'light' },
    { width: 360, colorScheme: 'dark' },
    { width: 1280, colorScheme: 'light' },
    { width: 1280, colorScheme: 'dark' },
  ] as const)('has no flaw in any state, $width px wide and $colorScheme', async (look) => {
    const { width, colorScheme } = look;
    const user = `axe${(users += 1)}`;
    const { recoveryCodes } = await enrolApp({ ...pages.test, clock: pages.clock }, user);
    const page = await open(
      { user, attributes: 'purpose="login"' },
      { colorScheme, viewport: { width, height: 640 } },
    );
    // axe waits by timers.
    await page.clock.resume();
    const flaws: string[] = [];
    let states = 0;
    const good = async (state: string): Promise<void> => {
      states += 1;
      await shoot(page, `${width}-${colorScheme}-${states}`);
      flaws.push(...(await flawsOf(page)).map((flaw) => `${state}: ${flaw}`));
    };

    await page.getByRole('button', { name: 'Continue' }).waitFor();
    await good('idle');
    await refuse(page, 'request-confirmation', 'no-subject');
    await page.getByRole('button', { name: 'Continue' }).click();
    await alertOf(page).getByText('Please sign in first.').waitFor();
    await good('refused');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Code of your authenticator app').waitFor();
    await good('app');
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    await good('code');
    await enter(page, wrong());
    await alertOf(page).getByText('The code is wrong.').waitFor();
    await good('wrong code');
    await pages.pass(page, 61);
    await good('resend possible');
    await page.getByRole('button', { name: 'Recovery code' }).click();
    await good('recovery');
    await enter(page, recoveryCodes[0]!);
    await phase(page, 'confirmed');
    await good('confirmed');
    await page.evaluate('element.reset()');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Code of your authenticator app').waitFor();
    await pages.pass(page, 601);
    await phase(page, 'ended');
    await good('ended');

    expect(flaws).toEqual([]);
    expect(states).toBe(9);
  });
});
