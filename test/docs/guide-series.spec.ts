// The bank of the guides, built from their text alone, in order, and used in Chromium afterwards.
import { chromium, type Browser, type Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { bytesOfBase32 } from '../../lib/methods/totp/base32.js';
import { stepAt, totpCode } from '../../lib/methods/totp/totp-code.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium } from '../support/chromium.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { GuideApplication } from '../support/guide-application.js';
import { GuidePerson } from '../support/guide-person.js';
import {
  answers,
  changedLines,
  readSeriesPage,
  SERIES,
  seriesPageOf,
} from '../support/guide-series.js';
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

/** An authenticator app that shows a code once, as the server accepts each step once. */
class App {
  readonly #parameters;
  #last: number;

  constructor(secret: string) {
    const bytes = bytesOfBase32(secret.replaceAll(' ', ''))!;
    this.#parameters = { secret: bytes, digits: 6, period: 30, algorithm: 'SHA1' } as const;
    this.#last = this.#now() - 2;
  }

  /** The next code that the server accepts: of the step before, this one or the next one. */
  async code(): Promise<string> {
    this.#last = Math.max(this.#last + 1, this.#now() - 1);
    while (this.#last > this.#now() + 1) {
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
    return totpCode(this.#last, this.#parameters);
  }

  #now(): number {
    return stepAt(Date.now(), this.#parameters);
  }
}

const databases = engines.filter((engine) => engine === 'sqljs' || engine === 'postgres');

describe.sequential.each(hasChromium ? databases : [])('The bank of the guides on %s', (engine) => {
  let database: TestDatabase | undefined;
  let browser: Browser;
  let people: GuidePerson[];

  beforeAll(async () => {
    if (followed.length < SERIES.length) throw new Error('The bank was not built to its end.');
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    if (engine === 'sqljs') return bank.restart({});
    database = await openDatabase(engine);
    const { options } = database;
    await bank.restart({ DATABASE_URL: 'url' in options ? options.url : '' });
  });
  beforeEach(() => {
    people = [];
  });
  afterEach(() => Promise.all(people.map((person) => person.close())));
  afterAll(async () => {
    await browser?.close();
    await bank.stop();
    await database?.drop();
  });

  async function person(name: string): Promise<GuidePerson> {
    const one = await GuidePerson.open(browser, bank, name);
    people.push(one);
    await one.signUp();
    return one;
  }

  async function withPhone(name: string, phone: string): Promise<GuidePerson> {
    const one = await person(name);
    await one.enterPhone(phone);
    await one.confirmByMessage(phone);
    await one.reads(`Your number is ${phone} now.`);
    return one;
  }

  it('verifies a phone, signs in by message, app and passkey, steps payments up, and queues messages', async () => {
    const phone = '+14155550123';
    const ann = await person('ann');
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
    expect(bank.log).toContain('To approve: "Pay 10.00 USD to Bob".');

    await ann.visit('/security.html');
    await ann.press('Add an authenticator app');
    await ann.confirmByMessage(phone);
    const secret = ann.page.locator('#secret').filter({ hasText: /\w/ });
    const app = new App((await secret.textContent()) ?? '');
    const uri = await ann.page.locator('#uri').getAttribute('href');
    expect(await scanQrCode(ann.page.locator('#qr'))).toBe(uri);
    await ann.page.getByLabel('Code that the app shows').fill(await app.code());
    await ann.press('Add the app');
    await ann.reads('Your recovery codes');
    expect(await ann.page.locator('#recovery li').count()).toBe(10);
    expect(bank.log).toContain('A new way to confirm was added to your account.');

    await ann.signOut();
    await ann.beginSignIn();
    await ann.reads('Code of your authenticator app');
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

  /** Stores the proved number; the status, the slug and the sentence of the answer. */
  async function putPhone(one: GuidePerson, body: object): Promise<[number, unknown, unknown]> {
    const { status, body: answer } = await one.call('PUT', '/phone', body);
    return [status, answer['error'], answer['title']];
  }

  /** Requests a confirmation and enters its code, or five wrong ones. */
  async function proof(
    one: GuidePerson,
    { to, isWrong = false, ...body }: { to: string; isWrong?: boolean; [member: string]: unknown },
  ): Promise<string> {
    const { body: begun } = await one.call('POST', '/2factor/request-confirmation', body);
    const id = begun['id'] as string;
    const sent = await bank.codeFor(to);
    const code = isWrong ? sent.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)) : sent;
    const statuses: number[] = [];
    for (let tries = 0; tries < (isWrong ? 5 : 1); tries += 1) {
      const { status } = await one.call('POST', '/2factor/confirm', { id, code });
      statuses.push(status);
    }
    expect(statuses).toEqual(isWrong ? [422, 422, 422, 422, 422] : [200]);
    return id;
  }

  it('refuses an agreement that was used for another change, and proofs that wrong codes have ended', async () => {
    const [old, next, last] = ['+14155550130', '+14155550131', '+14155550132'] as const;
    const frank = await withPhone('frank', old);
    const agree = (to: string, phone: string, isWrong = false): Promise<string> =>
      proof(frank, { purpose: 'leave-phone', details: { phone }, to, isWrong });
    const prove = (phone: string, isWrong = false): Promise<string> =>
      proof(frank, { purpose: 'new-phone', token: phone, to: phone, isWrong });
    const leave = await agree(old, next);
    const changed = await putPhone(frank, { confirmation: await prove(next), leave });
    expect(changed).toEqual([200, undefined, undefined]);

    const confirmation = await prove(last);
    const used = 'The agreement at the old number was used before. Please start again.';
    expect(await putPhone(frank, { confirmation, leave })).toEqual([403, 'agreement-used', used]);
    const ended = 'The agreement at the old number is no longer valid. Please start again.';
    const spoilt = await agree(next, last, true);
    expect(await putPhone(frank, { confirmation, leave: spoilt })).toEqual([
      403,
      'agreement-ended',
      ended,
    ]);
    const none = 'The proof of the new number is no longer valid. Please start again.';
    expect(await putPhone(frank, { confirmation: await prove('+14155550133', true) })).toEqual([
      403,
      'number-ended',
      none,
    ]);
    // None of the refusals has used the proof that counts.
    const agreed = await agree(next, last);
    const again = await putPhone(frank, { confirmation, leave: agreed });
    expect(again).toEqual([200, undefined, undefined]);
  });

  it('says that an agreement by a sent code is outdated when an app was added since, and takes one by the app', async () => {
    const [old, next] = ['+14155550134', '+14155550135'] as const;
    const gina = await withPhone('gina', old);
    const details = { phone: next };
    const leave = await proof(gina, { purpose: 'leave-phone', details, to: old });
    const confirmation = await proof(gina, { purpose: 'new-phone', token: next, to: next });
    const enrol = { change: 'enrol', method: 'totp' };
    const allowed = await proof(gina, { purpose: 'factors', details: enrol, to: old });
    const { body: begun } = await gina.call(
      'POST',
      '/2factor/factors/enrol',
      { method: 'totp' },
      allowed,
    );
    const app = new App(begun['secret'] as string);
    const { id: factor } = begun['factor'] as { id: string };
    const first = { factor, response: await app.code() };
    expect(await gina.call('POST', '/2factor/factors/activate', first)).toMatchObject({
      status: 200,
    });

    const outdated =
      'The agreement at the old number does not count any more: you have a safer way to confirm since. Please start again.';
    expect(await putPhone(gina, { confirmation, leave })).toEqual([
      403,
      'agreement-outdated',
      outdated,
    ]);
    const asked = { purpose: 'leave-phone', details };
    const { body: again } = await gina.call('POST', '/2factor/request-confirmation', asked);
    expect(again).toMatchObject({ method: 'totp' });
    const byApp = { id: again['id'], method: 'totp', code: await app.code() };
    expect(await gina.call('POST', '/2factor/confirm', byApp)).toMatchObject({ status: 200 });
    const changed = await putPhone(gina, { confirmation, leave: again['id'] });
    expect(changed).toEqual([200, undefined, undefined]);
  });

  /** Lets the server do the next call of a route, and loses its answer. */
  async function loseAnswer(
    one: GuidePerson,
    { method, path }: { readonly method: string; readonly path: string },
    answer: (call: Route) => Promise<void> = (call) => call.abort(),
  ): Promise<void> {
    let isFirst = true;
    await one.page.route(`**${path}`, async (call) => {
      if (call.request().method() !== method || !isFirst) return call.continue();
      isFirst = false;
      await call.fetch();
      return answer(call);
    });
  }

  it('pays once when the answer to a payment is lost, and the person presses again or reloads', async () => {
    const phone = '+14155550136';
    const hugo = await withPhone('hugo', phone);
    const badGateway = (call: Route): Promise<void> =>
      call.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' });
    for (const [amount, again, answer] of [
      ['10.00', () => hugo.press('Pay'), undefined],
      ['11.00', () => hugo.reload(), undefined],
      ['12.00', () => hugo.press('Pay'), badGateway],
    ] as const) {
      await loseAnswer(hugo, { method: 'POST', path: '/payments' }, answer);
      await hugo.enterPayment(amount, 'Bob');
      await hugo.confirmByMessage(phone);
      await hugo.reads('There is no connection. Please try again.');
      const sent = bank.messagesTo(phone);
      await again();
      await hugo.reads(`You have paid ${amount} USD.`);
      expect(await hugo.page.locator('li', { hasText: `${amount} USD to Bob` }).count()).toBe(1);
      expect(bank.messagesTo(phone)).toBe(sent);
      await hugo.page.unrouteAll();
    }
    const { body } = await hugo.call('GET', '/payments');
    expect(body).toHaveLength(3);
  });

  it('pays by the code that was typed when the call never arrived, and speaks of one that may still run', async () => {
    const phone = '+14155550137';
    const ines = await withPhone('ines', phone);
    const used = {
      status: 409,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        type: 'urn:nestjs-two-factor:confirmation-used',
        error: 'confirmation-used',
      }),
    };
    let calls = 0;
    await ines.page.route('**/payments', (call) => {
      if (call.request().method() !== 'POST') return call.continue();
      calls += 1;
      if (calls === 1) return call.abort();
      return calls === 2 ? call.fulfill(used) : call.continue();
    });
    await ines.enterPayment('10.00', 'Bob');
    await ines.confirmByMessage(phone);
    await ines.reads('There is no connection. Please try again.');
    const sent = bank.messagesTo(phone);
    // Another payment would overwrite the proof of this one, which may be paid.
    await ines.page.getByLabel('Amount').fill('20.00');
    await ines.press('Pay');
    await ines.reads(
      '10.00 USD to Bob may not be finished. Pay that again, or wait for ten minutes.',
    );
    await ines.page.getByLabel('Amount').fill('10.00');
    await ines.press('Pay');
    await ines.reads('This may not be finished. Please look again in a minute.');
    await ines.reload();
    await ines.reads('You have paid 10.00 USD.');
    expect(bank.messagesTo(phone)).toBe(sent);
    const { body } = await ines.call('GET', '/payments');
    expect(body).toHaveLength(1);
  });

  it('finds a number stored when the answer was lost, after a reload and when the person presses again', async () => {
    const [first, second, third] = ['+14155550138', '+14155550139', '+14155550140'] as const;
    const jule = await person('jule');
    const lost = { method: 'PUT', path: '/phone' };
    await loseAnswer(jule, lost);
    await jule.enterPhone(first);
    await jule.confirmByMessage(first);
    await jule.reads('There is no connection. Please try again.');
    await jule.reload();
    await jule.reads(`Your number is ${first} now.`);

    for (const [from, to, again] of [
      [first, second, () => jule.reload()],
      [second, third, () => jule.press('Send a code there')],
    ] as const) {
      await jule.page.unrouteAll();
      await loseAnswer(jule, lost);
      await jule.enterPhone(to);
      await jule.confirmByMessage(to);
      await jule.reads('Do you agree?');
      await jule.confirmByMessage(from);
      await jule.reads('There is no connection. Please try again.');
      await again();
      await jule.reads(`Your number is ${to} now.`);
      expect(await jule.page.locator('two-factor-code:visible').count()).toBe(0);
      expect(bank.messagesTo(to)).toBe(1);
      const { body } = await jule.call('GET', '/me');
      expect(body).toMatchObject({ phone: to });
    }
  });

  it('gives a number to one account, and replaces it when its owner agrees, not for a stolen session', async () => {
    const [old, fresh] = ['+14155550124', '+14155550125'];
    const bob = await withPhone('bob', old);
    const eve = await person('eve');
    await eve.enterPhone(old);
    await eve.confirmByMessage(old);
    await eve.reads('Another account has this number.');
    expect(await eve.page.getByText('Confirmed.').filter({ visible: true }).count()).toBe(0);
    await eve.enterPayment('10.00', 'Eve');
    await eve.reads('There is no address or number of yours to send a code to.');
    await eve.page.getByRole('link', { name: 'Add a phone number' }).click();
    await eve.reads('New phone number');

    // A thief of the session can prove a number of the thief, and no more.
    const asked = await bob.call('POST', '/2factor/request-confirmation', {
      purpose: 'new-phone',
      token: '+14155550126',
    });
    const { id } = asked.body as { id: string };
    const code = await bank.codeFor('+14155550126');
    const put = (body: object) => putPhone(bob, body);
    const none = '0'.repeat(36);
    const [ofEve] = eve.requested as { id: string }[];
    const missing = 'The proof of the new number is missing. Please ask for a code.';
    for (const confirmation of [none, ofEve!.id]) {
      expect(await put({ confirmation })).toEqual([403, 'number-missing', missing]);
    }
    const waits = 'The proof of the new number waits for its code.';
    expect(await put({ confirmation: id })).toEqual([403, 'number-pending', waits]);
    await bob.call('POST', '/2factor/confirm', { id, code });
    const unasked = 'The agreement at the old number is missing. Please ask for a code.';
    for (const leave of [undefined, id, none]) {
      const answer = await put({ confirmation: id, leave });
      expect(answer).toEqual([403, 'agreement-missing', unasked]);
    }
    const agree = async (phone: string): Promise<string> => {
      const body = { purpose: 'leave-phone', details: { phone } };
      const { body: begun } = await bob.call('POST', '/2factor/request-confirmation', body);
      return begun['id'] as string;
    };
    const leave = await agree('+14155550129');
    const open = 'The agreement at the old number waits for its code.';
    expect(await put({ confirmation: id, leave })).toEqual([403, 'agreement-pending', open]);
    await bob.call('POST', '/2factor/confirm', { id: leave, code: await bank.codeFor(old) });
    const differs = 'The agreement at the old number is about another number.';
    expect(await put({ confirmation: id, leave })).toEqual([403, 'agreement-differs', differs]);

    await bob.enterPhone(fresh);
    await bob.confirmByMessage(fresh);
    await bob.reads('Do you agree?');
    const stored = await bob.page.evaluate<string>(
      'document.querySelector(\'[purpose="new-phone"]\').value',
    );
    // The code to the old number is awaited, and the new one stays proved.
    await bob.reads(`We sent a code to`);
    await bob.reload();
    await bob.reads('Do you agree?');
    await bob.confirmByMessage(old);
    await bob.reads(`Your number is ${fresh} now.`);
    expect(bank.messagesTo(fresh)).toBe(1);
    const used = 'The proof of the new number was used before. Please start again.';
    expect(await put({ confirmation: stored })).toEqual([403, 'number-used', used]);
  });

  it('sends one message for a sign-in that is begun again, lets the fourth in, and words that the sixth has to wait', async () => {
    const phone = '+14155550127';
    const carol = await withPhone('carol', phone);
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
    await carol.reads('There were too many tries. Please wait');
  });

  it('opens nothing for a stranger, for the first step alone, and for a proof of something else', async () => {
    const phone = '+14155550128';
    const dave = await withPhone('dave', phone);
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

describe('The reader of the guides', () => {
  it('refuses a block without a text above it, and a file without a name', () => {
    const page = (step: string): string => `# T\n\nAt the end x.\n\n## 1. Do\n\n${step}`;
    expect(() => seriesPageOf('twin', page('```sh\nls\n```\n'))).toThrow('no text stands above');
    expect(() => seriesPageOf('twin', page('Do this.\n\n```ts\nconst a = 1;\n```\n'))).toThrow(
      'has no name',
    );
  });

  it.each([
    ['a\nb\nc\n', 'a\nx\nb\nc\ny\nz\n', '2,5-6'],
    ['a\nb\n', 'b\n', ''],
    ['a\n', 'b\n', '1'],
  ])('finds the lines that are new when %j becomes %j', (before, after, marked) => {
    expect(changedLines(before, after)).toBe(marked);
  });

  it('takes another answer than the one that is shown for wrong', () => {
    expect(answers('{"id":"1","a":2}', '{"id":"...","a":2}')).toBe(true);
    expect(answers('{"id":"1","a":3}', '{"id":"...","a":2}')).toBe(false);
    expect(answers('x{"a":2}', '{"a":2}')).toBe(false);
    expect(answers('{"a":2}x', '{"a":2}')).toBe(false);
    expect(answers('{"a":2,"b":3}', '{"a":2...')).toBe(true);
  });
});
