// The bank of the guides, built from their text alone, in order, and used in Chromium afterwards. It is built once: the tests of its
// phone numbers and of its payments are in files of their own, and run here.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { hasChromium } from '../support/chromium.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { GuideApplication } from '../support/guide-application.js';
import { GuideAuthenticator } from '../support/guide-authenticator.js';
import { testLostPayments } from '../support/guide-payments.js';
import { testPhoneNumbers } from '../support/guide-phone-numbers.js';
import { changedLines, readSeriesPage, SERIES } from '../support/guide-series.js';
import { GuideVisitors } from '../support/guide-visitors.js';
import { scanQrCode } from '../support/scan-qr-code.js';

let bank: GuideApplication;
/** The guides that were followed to their end. */
const followed: string[] = [];
/** The files of these guides, as the last of them has shown them. */
const files = new Map<string, string>();

beforeAll(async () => {
  bank = await GuideApplication.begin();
});
afterAll(() => bank?.end());

describe.sequential('The guides, in order', () => {
  it.each(SERIES)(
    'compiles after each step, and answers as the page says, when a reader follows %s',
    async (name) => {
      expect(followed, 'The guide before this one has failed.').toEqual(
        SERIES.slice(0, SERIES.indexOf(name)),
      );
      const page = await readSeriesPage(name);
      expect(page.beginning).toMatch(/^# .+\n\nAt the end /);
      for (const step of page.steps) {
        expect(await bank.follow(step), `${name}, ${step.title}`).toEqual([]);
        for (const action of step.actions) {
          if (action.kind !== 'file') continue;
          const { path, text, marked } = action;
          const before = files.get(path);
          expect(marked, `${name}, ${path}`).toBe(
            before === undefined ? '' : changedLines(before, text),
          );
          files.set(path, text);
        }
      }
      followed.push(name);
    },
  );

  it('leaves an application that passes the tests of its guides', async () => {
    expect(await bank.test()).toMatch(/Tests\s+2 passed/);
  });
});

const databases = engines.filter((engine) => engine === 'sqljs' || engine === 'postgres');

describe.sequential.each(hasChromium ? databases : [])('The bank of the guides on %s', (engine) => {
  let database: TestDatabase | undefined;
  const visitors = new GuideVisitors(() => bank);

  beforeAll(async () => {
    if (followed.length < SERIES.length) throw new Error('The bank was not built to its end.');
    await visitors.openBrowser();
    if (engine === 'sqljs') return bank.restart({});
    database = await openDatabase(engine);
    const { options } = database;
    await bank.restart({ DATABASE_URL: 'url' in options ? options.url : '' });
  });
  afterEach(() => visitors.leave());
  afterAll(async () => {
    await visitors.closeBrowser();
    await bank.stop();
    await database?.drop();
  });

  it('verifies a phone, signs in by message, app and passkey, steps payments up, and queues messages', async () => {
    const phone = '+14155550123';
    const ann = await visitors.person('ann');
    await ann.enterPhone('not a number');
    await ann.reads('This is no phone number.');
    for (const none of ['+1 415 555', '+999 12345678']) {
      await ann.enterPhone(none);
      await ann.reads('This is no phone number.');
    }
    await ann.enterPhone('+44 7400 123456');
    await ann.reads('No code can be sent there.');
    await ann.enterPhone('(415) 555-0123');
    const code = await bank.codeFor(phone);
    await ann.confirm(code === '123456' ? '654321' : '123456');
    await ann.reads('The code is wrong.');
    await ann.reload();
    await ann.reads('Attempts left: \u20684\u2069');
    await ann.confirm(code);
    await ann.reads(`Your number is ${phone} now.`);
    expect(bank.messagesTo(phone)).toBe(1);

    await ann.signOut();
    await ann.beginSignIn();
    await ann.confirmByMessage(phone);
    await ann.isSignedIn();
    await ann.enterPayment('10.00', 'Bob');
    await ann.reads('We sent a code to');
    await ann.reload();
    await ann.reads('Pay 10.00 USD to Bob?');
    await ann.confirmByMessage(phone);
    await ann.reads('You have paid 10.00 USD.');
    await ann.reload();
    await ann.reads('10.00 USD to Bob');
    expect(bank.messagesTo(phone)).toBe(3);
    expect(bank.log).toContain('You approve: "Pay 10.00 USD to Bob".');

    await ann.visit('/security.html');
    await ann.press('Add an authenticator app');
    await ann.confirmByMessage(phone);
    const secret = ann.page.locator('#secret').filter({ hasText: /\w/ });
    const app = new GuideAuthenticator((await secret.textContent()) ?? '');
    const uri = await ann.page.locator('#uri').getAttribute('href');
    expect(await scanQrCode(ann.page.locator('#qr'))).toBe(uri);
    await ann.page.getByLabel('Code that the app shows').fill(await app.code());
    await ann.press('Add the app');
    await ann.reads('Your recovery codes');
    expect(await ann.page.locator('#recovery li').count()).toBe(10);
    expect(bank.log).toContain('A new way to confirm was added to your account.');

    await ann.signOut();
    await ann.beginSignIn();
    await ann.reads('Code from your authenticator app');
    await ann.confirm(await app.code());
    await ann.isSignedIn();
    await ann.visit('/security.html');
    await ann.press('Add a passkey');
    await ann.confirm(await app.code());
    await ann.reads('The passkey was added.');

    await ann.signOut();
    await ann.beginSignIn();
    await ann.press('Use passkey');
    await ann.isSignedIn();
    await ann.enterPayment('25.00', 'Carol');
    await ann.press('Use passkey');
    await ann.reads('You have paid 25.00 USD.');
    await ann.reads('10.00 USD to Bob');

    // A page that is reloaded requests again and is answered with the same confirmation.
    const confirmations = new Map(ann.requested.map((answer) => [answer['id'], answer]));
    expect(ann.requested.length - confirmations.size).toBe(2);
    const seen = [...confirmations.values()].map(({ method = 'code', delivery }) => [
      method,
      delivery,
    ]);
    expect(seen).toEqual([
      ...Array.from({ length: 4 }, () => ['code', 'queued']),
      ['totp', undefined],
      ['totp', undefined],
      ['passkey', undefined],
      ['passkey', undefined],
    ]);
  });

  testPhoneNumbers(visitors);
  testLostPayments(visitors);

  it('sends one message for a sign-in that is begun twice, allows five sign-ins, and tells the sixth to wait', async () => {
    const phone = '+14155550127';
    const carol = await visitors.withPhone('carol', phone);
    const before = bank.messagesTo(phone);
    for (let login = 0; login < 5; login += 1) {
      await carol.signOut();
      await carol.beginSignIn();
      if (login === 0) {
        await carol.reads('We sent a code to');
        await carol.beginSignIn();
      }
      await carol.confirmByMessage(phone);
      await carol.isSignedIn();
    }
    expect(bank.messagesTo(phone) - before).toBe(5);

    await carol.signOut();
    await carol.beginSignIn();
    await carol.reads('Too many attempts. Try again in');
  });

  it('opens nothing for a stranger, for the first step alone, and for a proof of something else', async () => {
    const phone = '+14155550128';
    const dave = await visitors.withPhone('dave', phone);
    const details = { amount: '10.00', payee: 'Bob' };
    const paid = await dave.call('POST', '/2factor/request-confirmation', {
      purpose: 'payment',
      details,
    });
    const { id } = paid.body as { id: string };
    await dave.call('POST', '/2factor/confirm', { id, code: await bank.codeFor(phone) });
    const tries = [
      ['/payments', { ...details, amount: '10000.00' }],
      ['/2factor/factors/enrol', { method: 'totp' }],
    ] as const;
    for (const [path, body] of tries) {
      expect(await dave.call('POST', path, body, id)).toMatchObject({
        status: 403,
        body: { error: 'confirmation-required' },
      });
    }
    // A session that is signed in asks for no sign-in code.
    const login = { purpose: 'login' };
    expect(await dave.call('POST', '/2factor/request-confirmation', login)).toMatchObject({
      status: 403,
    });

    await dave.signOut();
    await dave.beginSignIn();
    await dave.reads('We sent a code to');
    const closed = [
      ['GET', '/me', undefined, 401],
      ['GET', '/payments', undefined, 401],
      ['POST', '/payments', details, 401],
      ['PUT', '/phone', { confirmation: id }, 401],
      ['POST', '/phone/spelling', { phone }, 401],
      ['POST', '/sign-in/finish', {}, 403],
      ['POST', '/2factor/factors/list', {}, 403],
      ['POST', '/2factor/request-confirmation', { purpose: 'payment', details }, 403],
      [
        'POST',
        '/2factor/request-confirmation',
        { purpose: 'leave-phone', details: { phone } },
        403,
      ],
      ['POST', '/2factor/request-confirmation', { token: phone }, 400],
    ] as const;
    for (const [method, path, body, status] of closed) {
      const answer = await dave.call(method, path, body, id);
      const { type, error } = answer.body;
      expect([path, answer.status, String(type).endsWith(`:${String(error)}`)]).toEqual([
        path,
        status,
        true,
      ]);
    }
    const malformed = await dave.call('POST', '/sign-in', { name: { $ne: 1 }, password: 5 });
    expect(malformed).toMatchObject({ status: 400, body: { error: 'invalid-request' } });
  });
});
