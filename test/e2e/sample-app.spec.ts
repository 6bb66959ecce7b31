import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { openDatabase, servers, type TestDatabase } from '../support/engines.js';
import { SampleCopy, type Sample } from '../support/sample-app.js';

/*
 * The sample application as a newcomer starts it: `npm start`, a browser, the inbox. It is built in a copy of the
 * repository, so that the `dist` of everybody else stays as it is.
 */
const PASSWORD = 'correct horse battery';
const TWO_FACTOR = '/api/v1/auth/2factor';

let copy: SampleCopy;
/** All codes that the inbox has shown, to look for them in what was printed. */
const codes = new Set<string>();

beforeAll(async () => {
  copy = await SampleCopy.make();
  await mkdir(SCREENSHOTS, { recursive: true });
});

afterAll(() => copy.remove());

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

function expectStatus({ status, body }: Answer, expected: number): void {
  expect({ status, body }).toMatchObject({ status: expected });
}

/** Somebody at the bank without a browser: what the page does, by hand. */
class Customer {
  #cookie = '';

  constructor(
    readonly url: string,
    readonly email: string,
  ) {}

  async call(method: string, path: string, body?: object, confirmationId = ''): Promise<Answer> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        cookie: this.#cookie,
        ...(body && { 'content-type': 'application/json' }),
        ...(confirmationId && { 'x-confirmation-id': confirmationId }),
      },
      body: body ? JSON.stringify(body) : null,
    });
    const cookie = response.headers.get('set-cookie');
    if (cookie !== null) this.#cookie = cookie.split(';')[0]!;
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  /** The code of the last message to an address. */
  async code(to: string): Promise<string> {
    const { body } = await this.call('GET', '/inbox/messages');
    const messages = body as unknown as { to: string; text: string }[];
    return codeIn(messages.find((message) => message.to === to)?.text ?? '');
  }

  async confirm(sent: Answer, to: string): Promise<string> {
    expectStatus(sent, 200);
    const id = String(sent.body['id']);
    const code = await this.code(to);
    expectStatus(await this.call('POST', `${TWO_FACTOR}/confirm`, { id, code }), 200);
    return id;
  }

  /** Asks the bundled controller for a code and confirms it. @returns the id of the proof. */
  async prove(request: { purpose: string; way: string; [name: string]: unknown }, to: string) {
    return this.confirm(await this.call('POST', `${TWO_FACTOR}/request-confirmation`, request), to);
  }

  async signUp(): Promise<this> {
    const { email } = this;
    const confirmationId = await this.prove(
      { purpose: 'sign-up', way: 'email', token: email },
      email,
    );
    const body = { email, password: PASSWORD, confirmationId };
    expectStatus(await this.call('POST', '/api/v1/accounts', body), 204);
    return this;
  }

  async provePassword(): Promise<string> {
    const { email } = this;
    const body = { email, password: PASSWORD };
    return this.confirm(await this.call('POST', '/api/v1/sign-in', body), email);
  }

  async signIn(): Promise<this> {
    const { email } = this;
    const confirmationId = await this.provePassword();
    expectStatus(await this.call('POST', '/api/v1/sessions', { email, confirmationId }), 204);
    return this;
  }

  proveTransfer(body: TransferBody): Promise<string> {
    const details = { amount: `${body.amount} EUR`, payee: body.payee };
    return this.prove({ purpose: 'transfer', way: 'email', details }, this.email);
  }

  transfer(body: TransferBody, confirmationId: string): Promise<Answer> {
    return this.call('POST', '/api/v1/transfers', body, confirmationId);
  }

  async balance(): Promise<unknown> {
    return (await this.call('GET', '/api/v1/me')).body['balance'];
  }

  async transfers(): Promise<unknown[]> {
    return (await this.call('GET', '/api/v1/transfers')).body as unknown as unknown[];
  }
}

interface TransferBody {
  readonly amount: string;
  readonly payee: string;
}

const TEN_FIFTY: TransferBody = { amount: '10.50', payee: 'bob@bank.example' };

function codeIn(text: string): string {
  const code = /\b\d{6}\b/.exec(text)?.[0];
  if (code === undefined) throw new Error('There is no code in the message.');
  codes.add(code);
  return code;
}

describe('npm start', () => {
  it('builds the package and the application, and answers', async () => {
    const sample = await copy.start('npm', { DATA_FOLDER: await copy.dataFolder() });

    const page = await fetch(sample.url);

    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect(await page.text()).toContain('autocomplete="one-time-code"');
    await sample.stop();
  }, 120_000);

  it('needs no native addon: sql.js is all of the database', async () => {
    const sample = await copy.start('node', {
      DATA_FOLDER: await copy.dataFolder(),
      NODE_OPTIONS: '--no-addons',
    });
    const ann = await new Customer(sample.url, 'ann@bank.example').signUp();
    await ann.signIn();
    expect(await ann.balance()).toBe('1000.00');
    await sample.stop();
  });

  it('refuses to start without a secret in production', async () => {
    const child = copy.launch('node', {
      NODE_ENV: 'production',
      SMTP_URL: 'smtp://127.0.0.1:9',
      DATA_FOLDER: await copy.dataFolder(),
    });
    let errors = '';
    child.stderr.on('data', (text: string) => {
      errors += text;
    });

    const [exitCode] = (await once(child, 'close')) as [number];

    expect(exitCode).toBe(1);
    expect(errors).toContain('There is no secret: set the option secret (or TWO_FACTOR_SECRET)');
  });
});

const databases = ['sql.js', ...servers] as const;

describe.each(databases)('The bank on %s', (name) => {
  let database: TestDatabase | undefined;
  let sample: Sample;
  let ann: Customer;

  beforeAll(async () => {
    database = name === 'sql.js' ? undefined : await openDatabase(name);
    const { url } = { url: undefined, ...database?.options } as { url: string | undefined };
    sample = await copy.start('node', {
      DATA_FOLDER: await copy.dataFolder(),
      ...(url !== undefined && { DATABASE_URL: url }),
    });
    ann = await new Customer(sample.url, 'ann@bank.example').signUp();
    await ann.signIn();
  });

  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
  });

  it('pays once for one confirmation, however many requests bring it', async () => {
    const before = await ann.transfers();
    const id = await ann.proveTransfer(TEN_FIFTY);

    const answers = await Promise.all(
      Array.from({ length: 10 }, () => ann.transfer(TEN_FIFTY, id)),
    );

    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(9);
    expect(await ann.transfers()).toHaveLength(before.length + 1);
    expect(await ann.transfer(TEN_FIFTY, id)).toMatchObject({
      status: 409,
      body: { error: 'confirmation-used' },
    });
  });

  it('pays what was approved and nothing else', async () => {
    const before = await ann.balance();
    const id = await ann.proveTransfer(TEN_FIFTY);

    for (const body of [
      { ...TEN_FIFTY, amount: '999.00' },
      { ...TEN_FIFTY, payee: 'eve@bank.example' },
    ]) {
      expect(await ann.transfer(body, id)).toMatchObject({
        status: 403,
        body: { error: 'confirmation-required' },
      });
    }
    expect(await ann.balance()).toBe(before);
  });

  it('does not let two transfers at once spend the same money, and keeps the proof of a refused one', async () => {
    const max = await new Customer(sample.url, 'max@bank.example').signUp();
    await max.signIn();
    const most = { amount: '600.00', payee: 'bob@bank.example' };
    const ids = [await max.proveTransfer(most), await max.proveTransfer(most)];

    const answers = await Promise.all(ids.map((id) => max.transfer(most, id)));

    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 422]);
    expect(await max.balance()).toBe('400.00');
    const refused = ids[answers.findIndex(({ status }) => status === 422)]!;
    expect(await max.call('POST', `${TWO_FACTOR}/check`, { id: refused })).toMatchObject({
      body: { status: 'confirmed' },
    });
  });

  it('lets opposite transfers at once pass, and loses no cent', async () => {
    const [lea, kim] = await Promise.all(
      ['lea@bank.example', 'kim@bank.example'].map(async (email) =>
        (await new Customer(sample.url, email).signUp()).signIn(),
      ),
    );
    const transfers = [];
    for (const [payer, payee] of Array.from({ length: 6 }, () => [lea!, kim!] as const)) {
      const [there, back] = [payee, payer].map(({ email }) => ({ amount: '1.01', payee: email }));
      transfers.push([payer, there!, await payer.proveTransfer(there!)] as const);
      transfers.push([payee, back!, await payee.proveTransfer(back!)] as const);
    }

    const answers = await Promise.all(
      transfers.map(([payer, body, id]) => payer.transfer(body, id)),
    );

    expect(answers.map(({ status }) => status)).toEqual(transfers.map(() => 204));
    expect([await lea!.balance(), await kim!.balance()]).toEqual(['1000.00', '1000.00']);
  });

  it('opens no account with the confirmation of another', async () => {
    const eve = await new Customer(sample.url, 'eve@bank.example').signUp();
    const id = await eve.provePassword();
    // Anybody may ask for a confirmation with the open purpose; it is for nobody.
    const nobodys = await eve.prove(
      { purpose: 'login', way: 'email', token: eve.email },
      eve.email,
    );

    for (const confirmationId of [id, nobodys]) {
      const body = { email: ann.email, confirmationId };
      expect(await eve.call('POST', '/api/v1/sessions', body)).toMatchObject({ status: 403 });
    }
    expect(await eve.call('GET', '/api/v1/me')).toMatchObject({ status: 401 });
    const own = { email: eve.email, confirmationId: id };
    expect(await eve.call('POST', '/api/v1/sessions', own)).toMatchObject({ status: 204 });
    expect(await eve.call('POST', '/api/v1/sessions', own)).toMatchObject({ status: 403 });
  });

  it('opens an account for the proved address alone, and once', async () => {
    const tom = new Customer(sample.url, 'tom@bank.example');
    const request = { purpose: 'sign-up', way: 'email', token: tom.email };
    const confirmationId = await tom.prove(request, tom.email);

    const stolen = { email: 'president@bank.example', password: PASSWORD, confirmationId };
    expect(await tom.call('POST', '/api/v1/accounts', stolen)).toMatchObject({ status: 403 });
    const own = { ...stolen, email: tom.email };
    expect(await tom.call('POST', '/api/v1/accounts', own)).toMatchObject({ status: 204 });
    expect(await tom.call('POST', '/api/v1/accounts', own)).toMatchObject({ status: 403 });
    const again = { ...own, confirmationId: await tom.prove(request, tom.email) };
    expect(await tom.call('POST', '/api/v1/accounts', again)).toMatchObject({ status: 409 });
  });

  it('does not tell a wrong password from an unknown account', async () => {
    const path = '/api/v1/sign-in';
    const wrong = await ann.call('POST', path, { email: ann.email, password: 'wrong password' });
    const unknown = await ann.call('POST', path, { email: 'x@bank.example', password: PASSWORD });
    const bob = await ann.call('POST', path, { email: 'bob@bank.example', password: '' });

    expect(wrong.status).toBe(401);
    expect(unknown).toEqual(wrong);
    expect(bob).toEqual(wrong);
  });

  it('changes the phone number to the proved one alone', async () => {
    const [own, other] = ['+4915112345678', '+4915187654321'];
    const request = { purpose: 'change-phone', way: 'sms', details: { phone: own } };
    const id = await ann.prove(request, own);
    const change = (phone: string, password: string): Promise<Answer> =>
      ann.call('PUT', '/api/v1/me/phone', { phone, password }, id);

    expect(await change(other, PASSWORD)).toMatchObject({ status: 403 });
    expect(await change(own, 'wrong password')).toMatchObject({ status: 401 });
    expect(await change(own, PASSWORD)).toMatchObject({ status: 204 });
    expect(await change(own, PASSWORD)).toMatchObject({ status: 409 });
    expect((await ann.call('GET', '/api/v1/me')).body).toMatchObject({ phone: own });
  });

  it('sends the code for a phone number nowhere but there', async () => {
    const path = `${TWO_FACTOR}/request-confirmation`;
    const details = { phone: '+4915187654321' };
    const purpose = 'change-phone';

    for (const body of [
      { purpose, way: 'sms', details, token: '+4915100000000' },
      { purpose, way: 'email', details },
      { purpose, way: 'sms' },
    ]) {
      expect([400, 403]).toContain((await ann.call('POST', path, body)).status);
    }
  });
});

describe('The file of sql.js', () => {
  it('has every answered transfer after kill -9', async () => {
    // A secret of its own: a drawn one would end with the process, and all confirmations with it.
    const secret = randomBytes(32).toString('base64url');
    const environment = { DATA_FOLDER: await copy.dataFolder(), TWO_FACTOR_SECRET: secret };
    let sample = await copy.start('node', environment);
    const first = await new Customer(sample.url, 'ann@bank.example').signUp();
    await first.signIn();

    for (let transfers = 1; transfers <= 2; transfers += 1) {
      const ann = await new Customer(sample.url, 'ann@bank.example').signIn();
      const id = await ann.proveTransfer(TEN_FIFTY);
      const { status } = await ann.transfer(TEN_FIFTY, id);
      await sample.kill();
      expect(status).toBe(204);

      sample = await copy.start('node', environment);
      const back = await new Customer(sample.url, 'ann@bank.example').signIn();
      expect(await back.balance()).toBe((1_000 - transfers * 10.5).toFixed(2));
      expect(await back.transfers()).toHaveLength(transfers);
      expect(await back.transfer(TEN_FIFTY, id)).toMatchObject({ status: 409 });
    }
    await sample.stop();
  }, 120_000);
});

async function look(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  expect(await page.evaluate(overflow), `${name} scrolls sideways`).toBe(0);
}

const focused = (page: Page): Promise<unknown> => page.evaluate('document.activeElement.id');

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  let browser: Browser;
  let sample: Sample;
  let context: BrowserContext;
  const complaints: string[] = [];

  beforeAll(async () => {
    sample = await copy.start('node', { DATA_FOLDER: await copy.dataFolder() });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });

  afterAll(async () => {
    await browser?.close();
    await sample?.stop();
  });

  async function openPage(options: {
    width: number;
    colorScheme: 'light' | 'dark';
  }): Promise<Page> {
    const { width, colorScheme } = options;
    context = await browser.newContext({ colorScheme, viewport: { width, height: 640 } });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    // Refusals are expected; scripts that fail and what the security policy blocks are not.
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text());
      }
    });
    await page.goto(sample.url);
    return page;
  }

  async function leave(): Promise<void> {
    await context.close();
    expect(complaints).toEqual([]);
  }

  /** Reads the last code for an address as a person would: in the other tab. */
  async function codeFromInbox(to: string): Promise<string> {
    const inbox = await context.newPage();
    await inbox.goto(`${sample.url}/inbox`);
    const text = await inbox.locator(`[data-to="${to}"] pre`).first().innerText();
    await inbox.close();
    return codeIn(text);
  }

  it.each([
    { width: 1024, colorScheme: 'light' },
    { width: 320, colorScheme: 'dark' },
  ] as const)('leads through the bank, $width px wide and $colorScheme', async (options) => {
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
    await page.getByRole('button', { name: 'Continue' }).click();

    // The code: where it went, how long it lives, how many tries there are, when it may be sent again.
    const field = page.getByLabel('Code', { exact: true });
    await field.waitFor();
    expect(await focused(page)).toBe('code-input');
    expect(await field.getAttribute('inputmode')).toBe('numeric');
    expect(await page.locator('[autocomplete="one-time-code"]').count()).toBe(1);
    await page.getByText('We sent a code of 6 characters to a***@b***.example.').waitFor();
    await page.getByText('Attempts left: 5').waitFor();
    const countdown = page.locator('#code-countdown');
    expect(await countdown.innerText()).toMatch(/^(?:10:00|9:5\d)$/);
    await page.getByText(/^9:5[0-8]$/).waitFor();
    const resend = page.getByRole('button', { name: 'Send the code again' });
    expect(await resend.innerText()).toMatch(/in 0:[0-3]\d$/);
    await look(page, `${view}-3-code`);
    await resend.click({ force: true });
    await status.getByText(/^Please wait \d+ seconds/).waitFor();

    const code = await codeFromInbox(email);
    await field.fill(code.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('Attempts left: 4', { exact: true }).waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    expect(await focused(page)).toBe('code-input');
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
    await page.getByText('1000.00 EUR').waitFor();
    await look(page, `${view}-5-account`);

    await page.getByLabel('New number').fill(phone);
    await page.locator('#account').getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Change number' }).click();
    await field.waitFor();
    await confirm(phone);
    await status.getByText('Your phone number is changed.').waitFor();

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

    await page.getByRole('button', { name: 'Sign out' }).click();
    await status.getByText('You are signed out.').waitFor();
    await page.goto(`${sample.url}/inbox`);
    await page.locator(`[data-to="${phone}"]`).first().waitFor();
    await look(page, `${view}-9-inbox`);
    await leave();
  });

  it('is told apart by no screen reader: every control has a name', async () => {
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

  it('has Swagger UI beside it', async () => {
    const page = await openPage({ width: 1024, colorScheme: 'light' });
    await page.goto(`${sample.url}/api`);

    await page.getByRole('heading', { name: /^Sample Bank/ }).waitFor();
    const route = page.getByText(`${TWO_FACTOR}/request-confirmation`, { exact: true });
    await route.waitFor();
    expect(await route.count()).toBe(1);

    await page.screenshot({ path: join(SCREENSHOTS, 'swagger.png') });
    await leave();
  });
});

describe('What the processes printed', () => {
  it('has no code in it', () => {
    const found = [...codes].filter((code) => new RegExp(`\\b${code}\\b`).test(copy.printed));

    expect(codes.size).toBeGreaterThan(10);
    expect(copy.printed).toContain('Nest application successfully started');
    expect(found).toEqual([]);
  });
});
