// The page of the sample application in Chromium, opened anew by a signed-in customer in each test.
import {
  chromium,
  type Browser,
  type BrowserContext,
  type Page,
  type Route,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';

import { Transfer } from '../../sample-app/src/transfers/transfer.entity.js';

import { startBank, type Bank } from './bank.js';
import { CHROMIUM_ARGS } from './chromium.js';
import { Customer, expectStatus, PASSWORD, untilAllDelivered } from './customer.js';

export const TRANSFERS = '**/api/v1/transfers';

interface BankPage {
  readonly bank: Bank;
  /** The customer of the test, and the page that the customer sees. */
  readonly customer: Customer;
  readonly page: Page;
  /** Opens the page for a new customer who is signed in. */
  readonly open: (name: string) => Promise<void>;
  /** Waits for a text of the status line, or for a heading. */
  readonly status: (text: string) => Promise<void>;
  readonly heading: (name: string) => Promise<void>;
  readonly press: (name: string) => Promise<void>;
  /** Enters the code that was sent. */
  readonly enter: (to?: string) => Promise<void>;
  readonly askToPay: (payee?: string, amount?: string) => Promise<void>;
  /** Asks for a code to pay, and enters it. */
  readonly pay: (payee?: string) => Promise<void>;
  /** How often the customer has paid. */
  readonly timesPaid: () => Promise<number>;
  /** How many messages have gone to an address, by default to the customer's. */
  readonly codesSent: (to?: string) => Promise<number>;
  /** Does something with the next transfer instead of sending it. */
  readonly onPost: (answer: (call: Route) => Promise<void>) => Promise<void>;
  /** Lets the next transfer happen, and answers it in another way than the server. */
  readonly losesAnswer: (answer: (call: Route) => Promise<void>) => Promise<void>;
  /** Signs in by the page, which asks for it. */
  readonly signIn: (email?: string, password?: string) => Promise<void>;
  /** Ends the session of the page from another browser. */
  readonly endSession: () => Promise<void>;
}

/** Starts the bank and the browser once for the tests of a suite. */
export function useBankPage(executablePath: string): BankPage {
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

  async function open(name: string): Promise<void> {
    customer = await new Customer(bank.url, `${name}@bank.example`).signUp();
    await customer.signIn();
    context = await browser.newContext({ viewport: { width: 360, height: 640 } });
    context.setDefaultTimeout(120_000);
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

  const timesPaid = (): Promise<number> =>
    bank.dataSource.manager.countBy(Transfer, { payer: { email: customer.email } });

  async function codesSent(to = customer.email): Promise<number> {
    await untilAllDelivered(bank.url);
    return (await customer.messages(to)).length;
  }

  async function onPost(answer: (call: Route) => Promise<void>): Promise<void> {
    let isFirst = true;
    await page.route(TRANSFERS, async (call) => {
      if (call.request().method() !== 'POST' || !isFirst) return call.continue();
      isFirst = false;
      return answer(call);
    });
  }

  const losesAnswer = (answer: (call: Route) => Promise<void>): Promise<void> =>
    onPost(async (call) => {
      await call.fetch();
      await answer(call);
    });

  async function signIn(email = customer.email, password = PASSWORD): Promise<void> {
    await heading('Sign in');
    await page.locator('#sign-in-email').fill(email);
    await page.locator('#sign-in-password').fill(password);
    await press('Continue');
    await enter(email);
    await status('You are signed in.');
  }

  async function endSession(): Promise<void> {
    const elsewhere = await new Customer(bank.url, customer.email).signIn();
    expectStatus(await elsewhere.call('DELETE', '/api/v1/sessions/others'), 200);
  }

  return {
    get bank() {
      return bank;
    },
    get customer() {
      return customer;
    },
    get page() {
      return page;
    },
    open,
    status,
    heading,
    press,
    enter,
    askToPay,
    pay,
    timesPaid,
    codesSent,
    onPost,
    losesAnswer,
    signIn,
    endSession,
  };
}
