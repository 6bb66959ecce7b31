// What people do with a code on a page with <two-factor-code>: they paste what their mail program copied, have it filled in by a phone, or
// mistype it. An element that fails one of them locks that person out of the application.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import {
  START,
  alertOf,
  asked,
  change,
  describeElement,
  enter,
  eventsOf,
  field,
  phase,
} from './element-steps.js';

describeElement('<two-factor-code>, where a code is typed,', (suite) => {
  const { code, open, wrong } = suite;

  async function paste(page: Page, text: string): Promise<void> {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await field(page).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Control+V');
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
    const before = suite.pages.test.inbox.deliveries.length;
    const page = await open();
    await asked(page);
    await page.reload();
    await asked(page);
    expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 1);
    await enter(page, code());
    await phase(page, 'confirmed');

    await page.reload();
    await asked(page);

    expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 2);
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
    await alertOf(page).getByText('Too many failed attempts.').waitFor();
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
    await alertOf(page).getByText('Please enter the code.').waitFor();
    expect(await sentences.allTextContents()).toEqual(['Attempts left: \u20684\u2069']);
  });

  it.each([
    [8, 'input'],
    [12, 'input'],
    [64, 'textarea'],
  ])('shows all of a sent code of %i letters', async (length, tag) => {
    const page = await open(
      { attributes: 'purpose="plain"' },
      { viewport: { width: 320, height: 640 } },
    );
    await change(page, 'request-confirmation', () => ({ codeLength: length }));
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

    await alertOf(page).getByText('Please enter the code.').waitFor();
    expect(await page.getByText(/Attempts left: \u20685/).count()).toBe(1);
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
    // A screen reader must not offer a control that does nothing.
    await page.evaluate('fieldset.disabled = true');
    await suite.pages.pass(page, 31);
    for (const name of ['Confirm', 'Send the code again']) {
      expect(await page.getByRole('button', { name, disabled: true }).count(), name).toBe(1);
    }
    await page.evaluate('fieldset.disabled = false');
    await page.getByRole('button', { name: 'Reset' }).click();
    await phase(page, 'idle');
  });
});
