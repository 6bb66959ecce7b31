// What the page of the sample application does when an answer is lost, when its session ends, and when its customer leaves.
import { randomUUID } from 'node:crypto';

import {
  chromium,
  type Browser,
  type BrowserContext,
  type Page,
  type Route,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { Transfer } from '../../sample-app/src/transfers/transfer.entity.js';
import { startBank, type Bank } from '../support/bank.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium } from '../support/chromium.js';
import { Customer, PASSWORD, untilAllDelivered } from '../support/customer.js';

const TRANSFERS = '**/api/v1/transfers';
const USED = 'This was done before. Look at your transfers.';
const NAMED = 'Your transfer of 10.50 EUR to bob@bank.example';
const ONCE = { stored: 1, listed: 1, balance: '989.50 EUR', typed: '' };
const NOTHING = { shown: [], typed: [], task: null };
const AWAY = 'The server does not answer. Please reload.';

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  let browser: Browser;
  let bank: Bank;
  let context: BrowserContext;
  let page: Page;
  let customer: Customer;

  beforeAll(async () => {
    bank = await startBank({ hasPages: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });
  afterEach(() => context?.close());
  afterAll(async () => {
    await browser?.close();
    await bank?.close();
  });

  const status = (text: string): Promise<void> =>
    page.locator('#status').getByText(text, { exact: true }).waitFor();
  const heading = (name: string): Promise<void> =>
    page.getByRole('heading', { name, level: 1 }).waitFor();
  const press = (name: string): Promise<void> =>
    page.getByRole('button', { name, exact: true }).click();
  const codesSent = async (to = customer.email): Promise<number> => {
    await untilAllDelivered(bank.url);
    return (await customer.messages(to)).length;
  };

  /** Opens the page for a new customer who is signed in. */
  async function open(name: string): Promise<void> {
    customer = await new Customer(bank.url, `${name}@bank.example`).signUp();
    await customer.signIn();
    context = await browser.newContext({ viewport: { width: 360, height: 640 } });
    context.setDefaultTimeout(30_000);
    await context.addCookies(
      [...customer.cookies].map(([key, value]) => ({ name: key, value, url: bank.url })),
    );
    page = await context.newPage();
    await page.goto(bank.url);
    await heading('Your account');
  }

  async function enter(to = customer.email): Promise<void> {
    await page.getByLabel('Code', { exact: true }).waitFor();
    await untilAllDelivered(bank.url);
    await page.getByLabel('Code', { exact: true }).fill(await customer.code(to));
    await press('Confirm');
  }

  async function askToPay(payee = 'bob@bank.example', amount = '10,50'): Promise<void> {
    await page.getByLabel('Payee’s e-mail').fill(payee);
    await page.getByLabel('Amount in EUR').fill(amount);
    await press('Transfer');
  }

  async function pay(payee?: string): Promise<void> {
    await askToPay(payee);
    await enter();
  }

  /** Lets the next transfer happen, and answers it in another way than the server. */
  const losesAnswer = (answer: (call: Route) => Promise<void>): Promise<void> =>
    onPost(async (call) => {
      await call.fetch();
      await answer(call);
    });

  /** Does something with the next transfer instead of sending it. */
  async function onPost(answer: (call: Route) => Promise<void>): Promise<void> {
    let isFirst = true;
    await page.route(TRANSFERS, async (call) => {
      if (call.request().method() !== 'POST' || !isFirst) return call.continue();
      isFirst = false;
      return answer(call);
    });
  }

  const contentType = 'application/problem+json';
  const problemOf = (code: number, error: string): Parameters<Route['fulfill']>[0] => ({
    status: code,
    contentType,
    body: JSON.stringify({ type: `urn:nestjs-two-factor:${error}`, status: code, error }),
  });

  /** What the bank has stored of the customer's transfers, and what the page shows of them. */
  const paid = async (): Promise<object> => ({
    stored: (await customer.transfers()).length,
    listed: await page.locator('#transfers li').count(),
    balance: await page.locator('#balance').innerText(),
    typed: await page.getByLabel('Amount in EUR').inputValue(),
  });

  it.each([
    [
      'the connection breaks',
      (call) => call.abort(),
      'The server does not answer. Please try again.',
    ],
    [
      'a proxy answers 502',
      (call) =>
        call.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
      'The server does not answer. Please try again.',
    ],
    [
      'the answer breaks off',
      (call) => call.fulfill({ status: 200, contentType: 'application/json', body: '{"do' }),
      'The server does not answer. Please try again.',
    ],
    [
      'the server answers 503',
      (call) => call.fulfill(problemOf(503, 'temporarily-unavailable')),
      'This does not work right now. Please try again in a moment.',
    ],
  ] as readonly (readonly [string, (call: Route) => Promise<void>, string])[])(
    'pays once when %s after the payment and the customer presses again',
    async (why, answer, words) => {
      await open(`lost-${why.replaceAll(' ', '-')}`);
      await losesAnswer(answer);
      await pay();
      await status(words);
      const sent = await codesSent();
      // Another way of the code is no other payment.
      await page.locator('#transfer-form').getByLabel('E-mail', { exact: true }).check();
      await press('Transfer');
      await status(USED);
      expect(await paid()).toEqual(ONCE);
      expect(await codesSent()).toBe(sent);
      // The next payment is another one, also of the same amount to the same payee.
      await pay();
      await status('Paid 10.50 EUR to bob@bank.example.');
      expect(await customer.transfers()).toHaveLength(2);
    },
    60_000,
  );

  it('pays once when the answer is lost and the page is reloaded', async () => {
    await open('reloaded');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await page.reload();
    await status(USED);
    expect(await paid()).toEqual(ONCE);
  }, 60_000);

  it('pays by the same code when the call has never reached the server, over a reload that finds no server', async () => {
    await open('never-reached');
    await page.route(TRANSFERS, (call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await page.reload();
    await heading('The bank cannot be reached');
    await page.unroute(TRANSFERS);
    await press('Reload');
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);
  }, 60_000);

  it('says that it has paid when the account cannot be read afterwards', async () => {
    await open('unread');
    await page.route('**/api/v1/sessions', (call) => call.abort());
    await pay();
    await status(`Paid 10.50 EUR to bob@bank.example. ${AWAY}`);
    await heading('The bank cannot be reached');
    await page.unroute('**/api/v1/sessions');
    await press('Reload');
    await heading('Your account');
    expect(await paid()).toEqual(ONCE);
  }, 60_000);

  /** Makes the code of the task so old that no call can still hold it. */
  const letCallsEnd = (): Promise<void> =>
    page.evaluate(`{
      const task = JSON.parse(sessionStorage.getItem('bank-task'));
      sessionStorage.setItem('bank-task', JSON.stringify({ ...task, provenAt: Date.now() - 601_000 }));
    }`);

  /** Lets the customer receive so much that no older transfer is listed any more. */
  async function receiveAPage(): Promise<void> {
    const { manager } = bank.dataSource;
    const { id: payeeId } = await manager.findOneByOrFail(User, { email: customer.email });
    const { id: payerId } = await manager.findOneByOrFail(User, { email: 'bob@bank.example' });
    const createdAt = Date.now() + 60_000;
    for (let count = 0; count < 20; count += 1) {
      const id = randomUUID();
      const received = { id, confirmationId: id, payerId, payeeId, amountCents: 1, createdAt };
      await manager.insert(Transfer, received);
    }
    const listed = (await customer.transfers()) as { direction: string }[];
    expect(new Set(listed.map(({ direction }) => direction))).toEqual(new Set(['in']));
  }

  const timesPaid = (): Promise<number> =>
    bank.dataSource.manager.countBy(Transfer, { payer: { email: customer.email } });

  it('finds a payment that twenty newer transfers have displaced from the list', async () => {
    await open('displaced');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await receiveAPage();
    await letCallsEnd();
    const sent = await codesSent();
    await press('Transfer');
    await status(USED);
    expect(await timesPaid()).toBe(1);
    expect(await codesSent()).toBe(sent);
  }, 60_000);

  it('says that a payment is done before it begins another one', async () => {
    await open('another');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await askToPay(undefined, '20,00');
    await status(`${NAMED} is done. Start again if you want something else as well.`);
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);
    await askToPay(undefined, '20,00');
    await enter();
    await status('Paid 20.00 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(2);
  }, 60_000);

  it('begins no other payment while it is unknown whether one is done', async () => {
    await open('unknown');
    await page.route(TRANSFERS, (call) =>
      call.request().method() === 'POST' ? call.abort() : call.continue(),
    );
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await askToPay(undefined, '20,00');
    await status(`${NAMED} may not be finished. Send it again, or wait for ten minutes.`);
    expect(await codesSent()).toBe(sent);
    await page.unroute(TRANSFERS);
    await askToPay();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);

    await onPost((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await letCallsEnd();
    await askToPay(undefined, '20,00');
    await enter();
    await status('Paid 20.00 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(2);
  }, 60_000);

  it('keeps the code while a call that holds it may still pay, and asks for another one when none can', async () => {
    await open('held');
    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await pay();
    await status('This may not be finished. Please look again in a minute.');
    const sent = await codesSent();
    await page.unroute(TRANSFERS);
    await press('Transfer');
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);

    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await pay();
    await status('This may not be finished. Please look again in a minute.');
    await letCallsEnd();
    await page.unroute(TRANSFERS);
    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await press('Transfer');
    await status('This was not done. Please start again.');
    await press('Transfer');
    await page.getByLabel('Code', { exact: true }).waitFor();
    expect(await customer.transfers()).toHaveLength(1);
  }, 60_000);

  it('asks for another code after a refusal, which has paid nothing', async () => {
    await open('refused');
    await pay('stranger@bank.example');
    await status('There is no such payee.');
    await press('Transfer');
    await page.getByLabel('Code', { exact: true }).waitFor();
    expect(await customer.transfers()).toEqual([]);
  }, 60_000);

  it('cancels no payment that is confirmed', async () => {
    await open('cancelled');
    let release!: () => void;
    const isReleased = new Promise<void>((resolve) => {
      release = resolve;
    });
    await onPost(async (call) => {
      await isReleased;
      await call.continue();
    });
    await pay();
    await page.getByText('Confirmed.').waitFor();
    await press('Cancel');
    await status('This is confirmed already. Please wait.');
    release();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
  }, 60_000);

  it('finds a phone number changed when the answer was lost', async () => {
    const phone = '+4915112349999';
    await open('phone');
    let isFirst = true;
    await page.route('**/api/v1/me/phone', async (call) => {
      if (!isFirst) return call.continue();
      isFirst = false;
      await call.fetch();
      return call.abort();
    });
    await page.getByLabel('New number').fill(phone);
    await page.locator('#phone-password').fill(PASSWORD);
    await press('Change number');
    await enter();
    await page.getByText('Second code of two').waitFor();
    await enter(phone);
    await status('The server does not answer. Please try again.');
    await press('Change number');
    await status('This was done before. Look at your phone number.');
    expect(await page.locator('#phone').innerText()).toBe(phone);
  }, 60_000);

  /** Ends the session of the page from another browser. */
  async function endSession(): Promise<void> {
    const elsewhere = await new Customer(bank.url, customer.email).signIn();
    const { status: code } = await elsewhere.call('DELETE', '/api/v1/sessions/others');
    expect(code).toBe(204);
  }

  /** What the page still has of the customer, once it asks to sign in. */
  async function left(): Promise<object> {
    await heading('Sign in');
    return page.evaluate(`({
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
      await new Customer(bank.url, customer.email).signIn();
      await page.reload();
      await page.getByRole('button', { name: 'Sign out all others' }).waitFor();
      await endSession();
      await act();
      await status('Please sign in again.');
      expect(await left()).toEqual(NOTHING);
    },
    60_000,
  );

  it('asks to sign in when the session ends while a code is awaited', async () => {
    await open('ended-meanwhile');
    await askToPay();
    await page.getByLabel('Code', { exact: true }).waitFor();
    await endSession();
    await enter();
    await status('Please sign in again.');
    expect(await left()).toEqual(NOTHING);
  }, 60_000);

  it.each(['me', 'offer', 'sessions', 'transfers'])(
    'keeps a confirmed transfer when GET /%s fails at the start',
    async (route) => {
      await open(`start-${route}`);
      await onPost((call) => call.abort());
      await pay();
      await status('The server does not answer. Please try again.');
      await page.unroute(TRANSFERS);
      const path = `**/api/v1/${route}`;
      await page.route(path, (call) =>
        call.fulfill({ status: 503, contentType: 'text/plain', body: 'no' }),
      );
      await page.reload();
      await status(AWAY);
      await heading('The bank cannot be reached');
      await page.unroute(path);
      await press('Reload');
      await status('Paid 10.50 EUR to bob@bank.example.');
      expect(await paid()).toEqual(ONCE);
    },
    60_000,
  );

  it('leaves nothing for the next person when the customer signs out', async () => {
    await open('leaving');
    await page.getByLabel('Payee’s e-mail').fill('bob@bank.example');
    await page.getByLabel('Amount in EUR').fill('5000');
    await press('Transfer');
    await page.getByRole('alert').getByText('You have 1000.00 EUR.').waitFor();
    await page.locator('#phone-password').fill(PASSWORD);
    await page.locator('#old-password').fill(PASSWORD);
    await page.locator('#new-password').fill('another horse battery');
    await press('Sign out');
    await status('You are signed out.');
    expect(await left()).toEqual(NOTHING);
    expect(await page.locator('.error').allTextContents()).toEqual(['', '', '']);
  }, 60_000);
});
