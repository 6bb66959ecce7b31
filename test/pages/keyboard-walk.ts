// A customer of the sample application who has no mouse: from the sign-up to a paid transfer.
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** Another code than the given one. */
export const wrong = (code: string): string =>
  code.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));

/** Resolves as soon as the status line of the page says the text. */
export const status = (page: Page, text: string | RegExp): Promise<void> =>
  page.getByRole('status').getByText(text).waitFor();

/**
 * @param codeFor the code of the latest message to that address.
 * @returns the id of the element that has the focus after the sign-out.
 */
export async function walkByKeyboard(
  page: Page,
  password: string,
  codeFor: (to: string) => Promise<string>,
): Promise<string> {
  const email = 'keyboard@bank.example';
  const { keyboard } = page;
  const active = (): Promise<string> =>
    page.evaluate(`(() => {
      const active = document.activeElement.shadowRoot?.activeElement ?? document.activeElement;
      return active.id || active.textContent.trim();
    })()`);

  /** Tabs on until somewhere; on the way everything that has the focus shows it, and is not hidden by anything. */
  async function tabTo(target: string): Promise<void> {
    for (let presses = 0; presses < 30; presses += 1) {
      await keyboard.press('Tab');
      const name = await active();
      const seen = await page.evaluate<{ ring: number; inView: boolean }>(`(() => {
        const element = document.activeElement.shadowRoot?.activeElement ?? document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const { top, left, bottom, right } = element.getBoundingClientRect();
        return {
          ring: outlineStyle === 'none' ? 0 : parseFloat(outlineWidth),
          inView: top >= 0 && left >= 0 && bottom <= innerHeight + 1 && right <= innerWidth && bottom > top,
        };
      })()`);
      expect(seen, `the focus on ${name}`).toEqual({ ring: 3, inView: true });
      if (name === target) return;
    }
    throw new Error(`Tab never came to ${target}.`);
  }

  async function paste(text: string): Promise<void> {
    await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await keyboard.press('Control+V');
  }

  async function codeAsked(): Promise<string> {
    await page.locator('two-factor-code input').waitFor();
    expect(await active()).toBe('code');
    return codeFor(email);
  }

  await page.locator('#sign-in').waitFor();
  expect(await active()).toBe('sign-in-title');
  await tabTo('sign-in-email');
  await tabTo('Sign up');
  await keyboard.press('Enter');
  expect(await active()).toBe('sign-up-title');
  await tabTo('sign-up-email');
  await keyboard.type(email);
  await tabTo('sign-up-password');
  await keyboard.type(password);
  await keyboard.press('Enter');

  // The field says what it is: for the keyboard on the screen, and for who fills it in.
  const first = await codeAsked();
  const field = page.locator('two-factor-code input');
  expect(await field.getAttribute('autocomplete')).toBe('one-time-code');
  expect(await field.getAttribute('inputmode')).toBe('numeric');
  // What was wrong is announced: the live region is there before it has something to say.
  await page.evaluate(
    `window.before = document.querySelector('two-factor-code').shadowRoot.querySelector('[role=alert]')`,
  );
  await keyboard.type(wrong(first));
  await keyboard.press('Enter');
  const alert = page.getByRole('alert');
  await alert.getByText(/^The code is wrong. Attempts left: .?4.?\.$/).waitFor();
  expect(
    await page.evaluate(
      `window.before === document.querySelector('two-factor-code').shadowRoot.querySelector('[role=alert]')`,
    ),
  ).toBe(true);
  expect(await active()).toBe('code');
  // The wrong one is selected: what is pasted takes its place, in the groups of the message too.
  await paste(` ${first.slice(0, 3)} ${first.slice(3)}\n`);
  await keyboard.press('Enter');
  await status(page, 'Your account is open.');

  expect(await active()).toBe('sign-in-password');
  await keyboard.type(password);
  await keyboard.press('Enter');
  await paste(await codeAsked());
  await keyboard.press('Enter');
  await status(page, 'You are signed in.');
  expect(await active()).toBe('account-title');

  await tabTo('transfer-payee');
  await keyboard.type('bob@bank.example');
  await tabTo('transfer-amount');
  await keyboard.type('10,50');
  await tabTo('Transfer');
  await keyboard.press('Space');
  const code = await codeAsked();
  await tabTo('Confirm');
  await keyboard.press('Tab');
  expect(await active()).toMatch(/^Send the code again in/);
  await keyboard.press('Enter');
  // A button that is to be waited for keeps the focus.
  await status(page, 'Please wait');
  expect(await active()).toMatch(/^Send the code again in/);
  await keyboard.press('Shift+Tab');
  await keyboard.press('Shift+Tab');
  expect(await active()).toBe('code');
  await paste(code);
  await tabTo('Confirm');
  await keyboard.press('Enter');
  await status(page, 'Paid 10.50 EUR to bob@bank.example.');
  expect(await active()).toBe('account-title');
  await tabTo('again-button');
  await keyboard.press('Enter');
  await status(page, 'Refused: this confirmation is already used.');

  await tabTo('sign-out');
  await keyboard.press('Space');
  await status(page, 'You are signed out.');
  return active();
}
