// What the page of the sample application does when an answer is lost, and the customer has to sign in again before it is known whether
// the call was made.
import { describe, expect, it } from 'vitest';

import { useBankPage } from '../support/bank-page.js';
import { CHROMIUM, hasChromium } from '../support/chromium.js';
import { Customer, PASSWORD } from '../support/customer.js';

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  const bankPage = useBankPage(executablePath);
  const {
    askToPay,
    codesSent,
    endSession,
    enter,
    heading,
    losesAnswer,
    onPost,
    open,
    pay,
    press,
    signIn,
    status,
    timesPaid,
  } = bankPage;
  const AWAY_NOW = 'The server does not answer. Please try again.';
  const LEFT = 'A transfer from before you signed out';

  /** What a person who uses the browser next finds in its storage, in the names of what is stored as well. */
  const readable = (): Promise<string> =>
    bankPage.page.evaluate('JSON.stringify({ ...sessionStorage })');

  /** Makes older what the customer who left has not settled. */
  const age = (ms: number): Promise<void> =>
    bankPage.page.evaluate(`{
      const key = Object.keys(sessionStorage).find((name) => name.startsWith('bank-unsettled '));
      const left = JSON.parse(sessionStorage.getItem(key));
      sessionStorage.setItem(key, JSON.stringify({ ...left, provenAt: left.provenAt - ${ms} }));
    }`);

  it.each([
    ['repeats it after the session has ended', endSession, () => press('Transfer')],
    ['reloads the page after the session has ended', endSession, () => bankPage.page.reload()],
    ['signs out', async () => undefined, () => press('Sign out')],
  ] as readonly (readonly [string, () => Promise<void>, () => Promise<unknown>])[])(
    'pays once when the answer is lost and the customer %s',
    async (what, before, act) => {
      await open(`left-${what.replaceAll(' ', '-')}`);
      await losesAnswer((call) => call.abort());
      await pay();
      await status(AWAY_NOW);
      await before();
      await act();
      await heading('Sign in');
      expect(await readable()).not.toMatch(/@|10\.50/);
      await signIn();
      const sent = await codesSent();
      await askToPay();
      await status(`${LEFT} is done. Start again if you want something else as well.`);
      expect(await timesPaid()).toBe(1);
      expect(await codesSent()).toBe(sent);
      await askToPay();
      await enter();
      await status('Paid 10.50 EUR to bob@bank.example.');
      expect(await timesPaid()).toBe(2);
    },
  );

  it('begins no other payment while one from before the sign-out may still be made, also after another customer has paid', async () => {
    await open('left-unknown');
    const ann = bankPage.customer;
    const bea = await new Customer(bankPage.bank.url, 'left-bea@bank.example').signUp();
    await onPost((call) => call.abort());
    await pay();
    await status(AWAY_NOW);
    await press('Sign out');
    await signIn(bea.email);
    await askToPay();
    await enter(bea.email);
    await status('Paid 10.50 EUR to bob@bank.example.');
    await press('Sign out');

    await signIn(ann.email);
    const sent = await codesSent();
    for (let tries = 0; tries < 2; tries += 1) {
      await askToPay();
      await status(`${LEFT} may not be finished. Please wait for ten minutes.`);
    }
    expect(await codesSent()).toBe(sent);
    await age(601_000);
    await askToPay();
    await enter();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(1);
  });

  it('pays after the next sign-in when the session had ended before the payment was sent', async () => {
    await open('left-unsent');
    await onPost(async (call) => {
      await endSession();
      await call.continue();
    });
    await pay();
    await heading('Sign in');
    expect(await readable()).not.toContain('bank-unsettled ');
    await signIn();
    await askToPay();
    await enter();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(1);
  });

  it('forgets a payment when it is older than a session and the longest use of its code', async () => {
    await open('left-old');
    await onPost((call) => call.abort());
    await pay();
    await status(AWAY_NOW);
    await press('Sign out');
    await heading('Sign in');
    await age(8 * 3_600_000);
    await bankPage.page.reload();
    await heading('Sign in');
    expect(await readable()).toContain('bank-unsettled ');
    await age(10 * 60_000);
    await bankPage.page.reload();
    await heading('Sign in');
    expect(await readable()).not.toContain('bank-unsettled ');
  });

  const NEW_PHONE = '+4915112349999';

  /** Loses the first answer of a route, as far as its body, or with the cookie that its header sets. */
  async function losesFirst(route: string, hasCookie: boolean): Promise<void> {
    const context = bankPage.page.context();
    let isFirst = true;
    await bankPage.page.route(`**/api/v1/me/${route}`, async (call) => {
      if (!isFirst) return call.continue();
      isFirst = false;
      const before = await context.cookies();
      await call.fetch();
      if (!hasCookie) {
        await context.clearCookies();
        await context.addCookies(before);
      }
      return call.abort();
    });
  }

  async function changePhone(): Promise<void> {
    await bankPage.page.getByLabel('New number').fill(NEW_PHONE);
    await bankPage.page.locator('#phone-password').fill(PASSWORD);
    await press('Change number');
    await enter();
    await bankPage.page.getByText('Second code of two').waitFor();
    await enter(NEW_PHONE);
    await status(AWAY_NOW);
  }

  it('finds a phone number changed when the answer broke off behind its headers', async () => {
    await open('phone');
    await losesFirst('phone', true);
    await changePhone();
    await press('Change number');
    await status('This was done before. Look at your phone number.');
    expect(await bankPage.page.locator('#phone').innerText()).toBe(NEW_PHONE);
  });

  it('says that a phone number may be changed when the answer was lost with the cookie of the new session', async () => {
    await open('phone-cookie');
    await losesFirst('phone', false);
    await changePhone();
    await press('Change number');
    await status('Your phone number may have been changed. Please sign in again and look.');
    await signIn();
    expect(await bankPage.page.locator('#phone').innerText()).toBe(NEW_PHONE);
  });

  it.each([
    ['repeats the change', () => press('Change password')],
    ['does something else', () => press('Open security')],
    ['reloads the page', () => bankPage.page.reload()],
  ] as readonly (readonly [string, () => Promise<unknown>])[])(
    'says that a password may be changed when the answer was lost with the cookie, and the customer %s',
    async (what, act) => {
      await open(`password-${what.replaceAll(' ', '-')}`);
      await losesFirst('password', false);
      await bankPage.page.locator('#old-password').fill(PASSWORD);
      await bankPage.page.locator('#new-password').fill('another horse battery');
      await press('Change password');
      await enter();
      await status(AWAY_NOW);
      await act();
      await status(
        'Your password may have been changed. Please sign in, and try the new one first.',
      );
      expect(await readable()).not.toMatch(/horse/);
      await signIn(bankPage.customer.email, 'another horse battery');
    },
  );

  it('says nothing of a change when the session had ended before the first call', async () => {
    await open('password-unsent');
    await bankPage.page.locator('#old-password').fill(PASSWORD);
    await bankPage.page.locator('#new-password').fill('another horse battery');
    await press('Change password');
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
    await bankPage.page.route('**/api/v1/me/password', async (call) => {
      await endSession();
      await call.continue();
    });
    await enter();
    await status('Please sign in again.');
    const { url, email } = bankPage.customer;
    expect(await new Customer(url, email).givePassword()).toMatchObject({ status: 204 });
  });
});
