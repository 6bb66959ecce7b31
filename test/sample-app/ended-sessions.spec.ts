// What the page of the sample application keeps when its session ends, and when its customer leaves.
import { describe, expect, it } from 'vitest';

import { useBankPage } from '../support/bank-page.js';
import { CHROMIUM, hasChromium } from '../support/chromium.js';
import { Customer, PASSWORD } from '../support/customer.js';

const NOTHING = { shown: [], typed: [], task: null };

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  const bankPage = useBankPage(executablePath);
  const { askToPay, endSession, enter, heading, open, press, status } = bankPage;

  /** What the page still has of the customer, once it asks to sign in. */
  async function left(): Promise<object> {
    await heading('Sign in');
    return bankPage.page.evaluate(`({
      shown: ['account-email', 'balance', 'phone', 'transfers', 'sessions', 'factors', 'code-place']
        .filter((id) => document.getElementById(id).textContent !== ''),
      typed: [...document.querySelectorAll('input')]
        .filter(({ type, value, checked, defaultChecked }) =>
          type === 'radio' || type === 'checkbox' ? checked !== defaultChecked : value !== '')
        .map(({ id, name }) => id || name),
      task: sessionStorage.getItem('bank-task'),
    })`);
  }

  it.each([
    ['asks for a code', () => askToPay()],
    ['opens security', () => press('Open security')],
    ['signs others out', () => press('Sign out all others')],
  ] as readonly (readonly [string, () => Promise<void>])[])(
    'asks to sign in when the session has ended and the customer %s',
    async (what, act) => {
      await open(`ended-${what.replaceAll(' ', '-')}`);
      await new Customer(bankPage.bank.url, bankPage.customer.email).signIn();
      await bankPage.page.reload();
      await bankPage.page.getByRole('button', { name: 'Sign out all others' }).waitFor();
      await endSession();
      await act();
      await status('Please sign in again.');
      expect(await left()).toEqual(NOTHING);
    },
  );

  it('tells the customer to sign in again when newer browsers stay signed in', async () => {
    await open('newer');
    const newer = await new Customer(bankPage.bank.url, bankPage.customer.email).signIn();
    await bankPage.page.reload();
    await press('Sign out all others');
    await status(
      'Browsers that signed in before this one are signed out. Newer ones: 1. Sign in again, or change your password, to end newer sessions.',
    );
    await bankPage.page.getByRole('button', { name: 'Sign out the browser since' }).click();
    await status(
      'That browser signed in later than this one. Sign in again, or change your password, to end newer sessions.',
    );
    expect(await newer.isSignedIn()).toBe(true);
  });

  it('ends a half-finished sign-in when no other browser is signed in', async () => {
    await open('half');
    const thief = new Customer(bankPage.bank.url, bankPage.customer.email);
    expect(await thief.givePassword()).toMatchObject({ status: 204 });
    // It was begun before the page signed in.
    await bankPage.bank.dataSource.query(
      'UPDATE bank_first_step SET expires_at = expires_at - 60000',
    );
    await press('Sign out all others');
    await status('All other browsers are signed out.');
    expect(await thief.request({ purpose: 'login', way: 'email' })).toMatchObject({ status: 403 });
  });

  it('asks to sign in when the session ends while a code is awaited', async () => {
    await open('ended-meanwhile');
    await askToPay();
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
    await endSession();
    await enter();
    await status('Please sign in again.');
    expect(await left()).toEqual(NOTHING);
  });

  it('leaves nothing for the next person when the customer signs out', async () => {
    await open('leaving');
    await bankPage.page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
    await bankPage.page.getByLabel('Amount in EUR').fill('5000');
    await press('Transfer');
    await bankPage.page.getByRole('alert').getByText('You have 1000.00 EUR.').waitFor();
    await bankPage.page.locator('#phone-password').fill(PASSWORD);
    await bankPage.page.locator('#old-password').fill(PASSWORD);
    await bankPage.page.locator('#new-password').fill('another horse battery');
    await press('Sign out');
    await status('You are signed out.');
    expect(await left()).toEqual(NOTHING);
    expect(await bankPage.page.locator('.error').allTextContents()).toEqual(['', '', '']);
  });
});
