// A person who uses the bank of the guides in a browser, as the guides say.
import type { Browser, Page } from 'playwright-core';
import { addVirtualAuthenticator } from './virtual-authenticator.js';

/** Where the bank is, and what its text messages say. */
export interface Bank {
  readonly origin: string;
  /** The code of the newest message to a number, once it was sent. */
  codeFor(phone: string): Promise<string>;
}

const PASSWORD = 'correct horse battery';

export class GuidePerson {
  /** What the server has answered to requests for confirmations. */
  readonly requested: Record<string, unknown>[] = [];
  readonly page: Page;
  readonly #bank: Bank;
  readonly #name: string;

  private constructor(page: Page, bank: Bank, name: string) {
    this.page = page;
    this.#bank = bank;
    this.#name = name;
    page.on('response', (response) => {
      if (!response.url().endsWith('/2factor/request-confirmation') || !response.ok()) return;
      void response.json().then((answer) => this.requested.push(answer as Record<string, unknown>));
    });
  }

  /** Opens a browser of its own, with an authenticator of the device. */
  static async open(browser: Browser, bank: Bank, name: string): Promise<GuidePerson> {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    await addVirtualAuthenticator(page);
    return new GuidePerson(page, bank, name);
  }

  async visit(path: string): Promise<void> {
    await this.page.goto(`${this.#bank.origin}${path}`);
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  /** Presses a button, or waits until it can be pressed. */
  async press(name: string): Promise<void> {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  /** Waits until the page says it. */
  async reads(text: string): Promise<void> {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  async signUp(): Promise<void> {
    await this.visit('/');
    await this.page.getByLabel('Name').fill(this.#name);
    await this.page.getByLabel('Password').fill(PASSWORD);
    await this.press('Open the account');
    await this.reads('You are signed in as');
  }

  async signOut(): Promise<void> {
    await this.visit('/');
    await this.press('Sign out');
    await this.reads('Open an account');
  }

  /** Gives the password. */
  async beginSignIn(): Promise<void> {
    await this.visit('/sign-in.html');
    await this.page.getByLabel('Name').fill(this.#name);
    await this.page.getByLabel('Password').fill(PASSWORD);
    await this.press('Sign in');
  }

  async isSignedIn(): Promise<void> {
    await this.page.waitForURL(`${this.#bank.origin}/`);
    await this.reads('You are signed in as');
  }

  /** Types a code into the element. */
  async confirm(code: string): Promise<void> {
    await this.page.locator('two-factor-code input:visible').fill(code);
    await this.press('Confirm');
  }

  async confirmByMessage(phone: string): Promise<void> {
    await this.page.locator('two-factor-code input:visible').waitFor();
    await this.confirm(await this.#bank.codeFor(phone));
  }

  async enterPhone(spelling: string): Promise<void> {
    await this.visit('/phone.html');
    await this.page.getByLabel('New phone number').fill(spelling);
    await this.press('Send a code there');
  }

  async enterPayment(amount: string, payee: string): Promise<void> {
    await this.visit('/pay.html');
    await this.page.getByLabel('Amount').fill(amount);
    await this.page.getByLabel('Payee').fill(payee);
    await this.press('Pay');
  }

  /** Calls a route with the person's cookies. */
  async call(method: string, path: string, body?: object, proof?: string): Promise<CallAnswer> {
    const response = await this.page.request.fetch(`${this.#bank.origin}${path}`, {
      method,
      ...(body && { data: body }),
      headers: proof === undefined ? {} : { 'X-Confirmation-Id': proof },
    });
    return { status: response.status(), body: (await response.json()) as CallAnswer['body'] };
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}

export interface CallAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}
