// <two-factor-code> that is removed, moved or disabled while it waits. What goes on behind the page confirms for a person who has left it.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import {
  alertOf,
  asked,
  change,
  describeElement,
  enter,
  field,
  phase,
  refuse,
  shoot,
} from './element-steps.js';

/** A browser that reads codes from text messages: it records its questions, and a test lets a message arrive. */
const WEB_OTP = `
  window.OTPCredential = class {};
  window.questions = [];
  window.arrive = (code) => questions.at(-1).resolve({ code });
  window.openQuestions = () => questions.filter(({ signal }) => !signal.aborted).length;
  navigator.credentials.get = ({ signal }) => new Promise((resolve, reject) => {
    questions.push({ signal, resolve });
    signal.addEventListener('abort', () => reject(signal.reason));
  });`;

const CONTINUE = { name: 'Continue' };

describeElement('<two-factor-code>, when it is removed, moved or disabled,', (suite) => {
  const { code, open } = suite;

  const openQuestions = (page: Page): Promise<number> => page.evaluate('openQuestions()');
  const questions = (page: Page): Promise<number> => page.evaluate('questions.length');

  async function withMessages(): Promise<Page> {
    const page = await open({ attributes: 'purpose="plain"', script: WEB_OTP });
    await page.getByRole('button', CONTINUE).click();
    await asked(page);
    return page;
  }

  /** The calls of a route from now on. */
  function countCalls(page: Page, route: string): () => number {
    let calls = 0;
    page.on('request', (call) => {
      if (call.url().endsWith(`/2factor/${route}`)) calls += 1;
    });
    return () => calls;
  }

  /** An element that was removed before the answer to its request came. */
  async function removedEarly(): Promise<Page> {
    const page = await open({ attributes: 'purpose="plain"', script: WEB_OTP });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/2factor/request-confirmation', async (call) => {
      const response = await call.fetch();
      const body = (await response.json()) as object;
      await held;
      await call.fulfill({ response, json: { ...body, delivery: 'queued' } });
    });
    await page.getByRole('button', CONTINUE).click();
    await page.evaluate('window.place = element.parentElement; element.remove();');
    release();
    await expect.poll(() => page.evaluate('element.phase')).toBe('open');
    return page;
  }

  it('reads no text message and asks for no delivery when the answer comes after it was removed', async () => {
    const page = await removedEarly();
    const checks = countCalls(page, 'check');
    await suite.pages.pass(page, 20);
    expect([await questions(page), checks()]).toEqual([0, 0]);

    // Back on the page it goes on.
    await page.evaluate('place.append(element)');
    expect(await openQuestions(page)).toBe(1);
    await suite.pages.pass(page, 1);
    await expect.poll(checks).toBe(1);
    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await phase(page, 'confirmed');
  });

  it('reads the text message after it was moved on the page, by one question', async () => {
    const page = await withMessages();
    await page.evaluate('element.parentElement.append(element)');
    expect([await questions(page), await openQuestions(page)]).toEqual([2, 1]);

    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await phase(page, 'confirmed');
  });

  it('reads the next text message, too', async () => {
    const page = await withMessages();
    await suite.pages.pass(page, 30);
    await page.evaluate('questions[0].resolve(null)');
    await page.getByRole('button', { name: 'Send the code again' }).click();
    await page.getByRole('status').getByText('The code is on its way again.').waitFor();
    expect([await questions(page), await openQuestions(page)]).toEqual([2, 1]);

    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await phase(page, 'confirmed');
  });

  it('confirms nothing by a text message while it is disabled', async () => {
    const page = await withMessages();
    const confirms = countCalls(page, 'confirm');
    await page.evaluate('element.setAttribute("disabled", "")');
    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await expect.poll(() => field(page).inputValue()).toBe(code());
    expect(confirms()).toBe(0);

    await page.evaluate('element.removeAttribute("disabled")');
    await page.getByRole('button', { name: 'Confirm' }).click();
    await phase(page, 'confirmed');
  });

  it('confirms nothing by a text message while the server refuses to confirm, and says so', async () => {
    const page = await withMessages();
    await refuse(page, 'confirm', 'too-many-requests', { retryAfter: 60 });
    await enter(page, suite.wrong());
    await alertOf(page).getByText('Too many attempts.').waitFor();
    const confirms = countCalls(page, 'confirm');
    await page.evaluate(`arrive(${JSON.stringify(code())})`);
    await page.getByRole('status').getByText('Next attempt in').waitFor();

    expect(confirms()).toBe(0);
  });

  it('ends the question for a passkey when it is removed, and says nothing of it', async () => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: `const { createTwoFactorClient } = await import('/client/index.js');
        element.client = {
          ...createTwoFactorClient(),
          confirmWithPasskey: (id, { signal }) => new Promise((resolve, reject) => {
            window.signal = signal;
            signal.addEventListener('abort', () => reject(signal.reason));
          }),
        };
        document.body.dataset.ready = '';`,
    });
    await page.locator('body[data-ready]').waitFor({ state: 'attached' });
    await change(page, 'request-confirmation', () => ({ method: 'passkey', methods: ['passkey'] }));
    await page.getByRole('button', CONTINUE).click();
    const passkey = page.getByRole('button', { name: 'Use passkey' });
    await passkey.click();
    await expect.poll(() => page.evaluate('typeof signal')).toBe('object');
    // A second press does not end the question that is open.
    await page.evaluate('element.confirmWithPasskey()');
    expect(await page.evaluate('signal.aborted')).toBe(false);
    await page.evaluate('window.place = element.parentElement; element.remove();');
    expect(await page.evaluate('signal.aborted')).toBe(true);

    await page.evaluate('place.append(element)');
    await expect.poll(() => passkey.getAttribute('aria-disabled')).toBeNull();
    expect(await alertOf(page).textContent()).toBe('');
  });
});

describeElement('<two-factor-code>, where one way to confirm fails,', (suite) => {
  const { open } = suite;

  it.each([
    ['light', 'has no answer', 'There is no connection. Please try again.'],
    ['dark', 'finds it unknown', 'This method is not available here.'],
  ] as const)(
    'keeps a control in %s when the device is the only way and the call %s',
    async (colorScheme, how, alert) => {
      const page = await open({ attributes: 'purpose="plain"' }, { colorScheme });
      await change(page, 'request-confirmation', () => ({ method: 'device', methods: ['device'] }));
      if (how === 'has no answer') await page.route('**/2factor/confirm', (call) => call.abort());
      else {
        await refuse(page, 'confirm', 'code-mismatch', { attemptsLeft: 4 });
        await refuse(page, 'resend', 'method-not-allowed');
      }
      const start = page.getByRole('button', CONTINUE);
      await start.focus();
      await page.keyboard.press('Enter');
      await alertOf(page).getByText(alert).waitFor();

      expect(await start.isVisible()).toBe(true);
      expect(await start.getAttribute('aria-disabled')).toBeNull();
      expect(await page.evaluate('element.shadowRoot.activeElement?.textContent')).toBe('Continue');
      await shoot(page, `device-${colorScheme}`);
      await page.unroute('**/2factor/confirm');
      await page.route('**/2factor/confirm', (call) =>
        call.fulfill({ json: { id: '1', confirmed: true } }),
      );
      await page.keyboard.press('Enter');
      await phase(page, 'confirmed');
    },
  );

  it('keeps the focus when the button that had it is no longer offered', async () => {
    const { user } = await suite.newUserWithApp();
    const page = await open({ user, attributes: 'purpose="login"' });
    await page.getByRole('button', CONTINUE).click();
    await field(page).waitFor();
    await refuse(page, 'resend', 'method-not-allowed');
    const choice = page.getByRole('button', { name: 'Send me a code' });
    await choice.focus();
    await page.keyboard.press('Enter');
    await alertOf(page).getByText('This method is not available here.').waitFor();

    expect(await choice.count()).toBe(0);
    expect(await page.evaluate('element.shadowRoot.activeElement?.id')).toBe('code');
  });

  it.each(['light', 'dark'] as const)(
    'names the button for the next message without the time that it displays, in %s',
    async (colorScheme) => {
      const page = await open({}, { colorScheme });
      await asked(page);
      const resend = page.getByRole('button', { name: 'Send the code again', exact: true });
      expect(await resend.textContent()).toContain('Send the code again in \u20680:30\u2069');
      expect(await resend.getAttribute('aria-disabled')).toBe('true');
      await shoot(page, `resend-waits-${colorScheme}`);
      await suite.pages.pass(page, 1);
      expect(await resend.textContent()).toContain('Send the code again in \u20680:29\u2069');
      await suite.pages.pass(page, 29);
      expect(await resend.textContent()).toBe('Send the code again');
      expect(await resend.getAttribute('aria-disabled')).toBeNull();
    },
  );
});
