// A thief with a stolen session wants an authenticator of the thief's own, or a payment that the owner did not approve.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type {
  PasskeyCreationOptions,
  PasskeyRequestOptions,
} from '../../lib/methods/passkey/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/index.js';
import { FactorNoticesService } from '../../sample-app/src/notices/factor-notices.service.js';
import { TestAuthenticator } from '../support/authenticator.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, TEN_FIFTY, TWO_FACTOR, type Answer } from '../support/customer.js';

const FACTORS = `${TWO_FACTOR}/factors`;
const ENROL_APP = { change: 'enrol', method: 'totp' };
const ENROL_PASSKEY = { change: 'enrol', method: 'passkey' };
/** The origin of the sample application in development. */
const ORIGIN = 'http://localhost:3000';

interface App {
  readonly id: string;
  readonly app: TestAuthenticator;
  readonly recoveryCodes: readonly string[];
}

describe('The security of an account', () => {
  let bank: Bank;

  beforeAll(async () => {
    bank = await startBank();
  });

  afterAll(() => bank?.close());

  const signedIn = async (name: string): Promise<Customer> =>
    (await new Customer(bank.url, `${name}@bank.example`).signUp()).signIn();

  const byCode = (customer: Customer, details: object): Promise<string> =>
    customer.prove({ purpose: 'factors', details }, customer.email);

  const enrol = (customer: Customer, method: string, proof: string): Promise<Answer> =>
    customer.with('POST', `${FACTORS}/enrol`, { method, label: 'My device' }, proof);

  const confirm = (customer: Customer, body: object): Promise<Answer> =>
    customer.call('POST', `${TWO_FACTOR}/confirm`, body);

  const factors = async (customer: Customer): Promise<unknown> =>
    (await customer.call('POST', `${FACTORS}/list`, {})).body['factors'];

  async function addApp(customer: Customer): Promise<App> {
    const begun = await enrol(customer, 'totp', await byCode(customer, ENROL_APP));
    expectStatus(begun, 200);
    const { factor, secret } = begun.body as { factor: { id: string }; secret: string };
    const app = new TestAuthenticator(secret, Date);
    // The tests confirm with the next code, because each code is accepted once.
    const body = { factor: factor.id, response: app.code() };
    const activated = await customer.call('POST', `${FACTORS}/activate`, body);
    expectStatus(activated, 200);
    return { id: factor.id, app, recoveryCodes: activated.body['recoveryCodes'] as string[] };
  }

  async function addPasskey(customer: Customer): Promise<SoftwareAuthenticator> {
    const begun = await enrol(customer, 'passkey', await byCode(customer, ENROL_PASSKEY));
    expectStatus(begun, 200);
    const { factor, options } = begun.body as {
      factor: { id: string };
      options: PasskeyCreationOptions;
    };
    const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
    const body = { factor: factor.id, response: authenticator.create(options) };
    expectStatus(await customer.call('POST', `${FACTORS}/activate`, body), 200);
    return authenticator;
  }

  const mail = (customer: Customer, words: string): Promise<string> =>
    vi.waitFor(
      async () => {
        const messages = await customer.messages(customer.email);
        const found = messages.find(({ text }) => text.includes(words));
        if (found === undefined) throw new Error(`There is no message with "${words}".`);
        return found.text;
      },
      { timeout: 60_000 },
    );

  it('gets an app by a sent code, which then signs in without a message', async () => {
    const ann = await signedIn('ann');
    const { app, recoveryCodes } = await addApp(ann);
    expect(recoveryCodes).toHaveLength(10);
    await mail(ann, 'It adds an authenticator app to your account. Enter it only');
    const notice = await mail(ann, 'An authenticator app was added');
    expect(notice).toContain('New recovery codes were made');
    expect(notice).toContain('call the number on the back of your bank card');
    expect(notice).toContain('change your password');
    expect(notice).toContain('remove what you do not know and make new recovery codes');
    expect(notice).not.toContain('browsers were signed out');
    expect(await factors(ann)).toMatchObject([
      { method: 'totp', label: 'My device' },
      { method: 'recovery', left: 10 },
    ]);

    const browser = new Customer(bank.url, ann.email);
    expectStatus(await browser.givePassword(), 204);
    const sent = (await browser.messages(ann.email)).length;
    const { body } = await browser.request({ purpose: 'login' });
    expect(body).toMatchObject({ method: 'totp', methods: ['totp', 'code', 'recovery'] });
    const id = String(body['id']);
    const wrong = await confirm(browser, { id, method: 'totp', code: app.wrongCode() });
    expect(wrong).toMatchObject({ status: 422, body: { error: 'code-mismatch' } });
    expectStatus(await browser.with('POST', '/api/v1/sessions', {}, id), 403);
    expectStatus(await confirm(browser, { id, method: 'totp', code: app.code(1) }), 200);
    expectStatus(await browser.with('POST', '/api/v1/sessions', {}, id), 204);
    expect(await browser.isSignedIn()).toBe(true);
    expect(await browser.messages(ann.email)).toHaveLength(sent);

    for (const secret of [app.secret, ...recoveryCodes]) {
      expect(bank.printed()).not.toContain(secret);
    }
  });

  it('lets a recovery code sign in once, and notifies the owner', async () => {
    const bea = await signedIn('bea');
    const { recoveryCodes } = await addApp(bea);
    const use = async (): Promise<Answer> => {
      const browser = new Customer(bank.url, bea.email);
      expectStatus(await browser.givePassword(), 204);
      const { body } = await browser.request({ purpose: 'login', method: 'recovery' });
      return confirm(browser, { id: body['id'], method: 'recovery', code: recoveryCodes[0] });
    };

    expectStatus(await use(), 200);
    expectStatus(await use(), 422);
    expect(await mail(bea, 'A recovery code was used')).toContain('(9 left)');
  });

  it('is not changed by a stolen session', async () => {
    const cleo = await signedIn('cleo');
    const early = await byCode(cleo, ENROL_APP);
    const thief = cleo.stolen();
    expectStatus(await thief.call('POST', `${FACTORS}/enrol`, { method: 'totp' }), 403);
    const asked = await thief.request({ purpose: 'factors', details: ENROL_APP });
    expectStatus(await enrol(thief, 'totp', String(asked.body['id'])), 403);
    // A proof for another change is none.
    expectStatus(await enrol(thief, 'passkey', early), 403);
    expect(await factors(cleo)).toEqual([]);

    // With an app a code that was confirmed before adds nothing, and no other is sent.
    const { id, app } = await addApp(cleo);
    expectStatus(await enrol(thief, 'totp', early), 403);
    const second = await thief.request({ purpose: 'factors', details: ENROL_PASSKEY });
    expect(second.body).toMatchObject({ method: 'totp', methods: ['totp', 'recovery'] });
    const byMessage = { purpose: 'factors', details: ENROL_PASSKEY, method: 'code' };
    expect((await thief.request(byMessage)).body).toMatchObject({ error: 'method-not-allowed' });
    expectStatus(await thief.call('POST', `${FACTORS}/remove`, { factor: id }), 403);
    expectStatus(await thief.call('POST', `${FACTORS}/recovery-codes`, {}), 403);

    // The owner removes it with the app itself, and gets a mail about it.
    const last = { factor: id, allowLast: true };
    const details = { change: 'remove', ...last };
    const { body } = await cleo.request({ purpose: 'factors', details });
    const proof = String(body['id']);
    expectStatus(await confirm(cleo, { id: proof, method: 'totp', code: app.code(1) }), 200);
    expectStatus(await cleo.with('POST', `${FACTORS}/remove`, { factor: id }, proof), 403);
    expectStatus(await cleo.with('POST', `${FACTORS}/remove`, last, proof), 200);
    expect(await factors(cleo)).toEqual([]);
    const notice = await mail(cleo, 'An authenticator app was removed');
    expect(notice).toContain('Your recovery codes were removed');
    const notices = (await cleo.messages(cleo.email)).filter(({ text }) =>
      text.includes('Your recovery codes were removed'),
    );
    expect(notices).toHaveLength(1);
  });

  it('has payments that a passkey signs, for one amount and by nothing weaker', async () => {
    const dora = await signedIn('dora');
    const authenticator = await addPasskey(dora);
    await mail(dora, 'A passkey was added');
    const payee = 'bob@bank.example';
    const ask = async (amount: string): Promise<string> => {
      const { body } = await dora.request({ purpose: 'transfer', details: { amount, payee } });
      expect(body).toMatchObject({ method: 'passkey', methods: ['passkey'] });
      return String(body['id']);
    };
    const [ten, thousand] = [await ask('10.00'), await ask('1000.00')];
    const challenge = { id: ten, method: 'passkey' };
    const { body: options } = await dora.call('POST', `${TWO_FACTOR}/challenge`, challenge);
    const response = authenticator.get(options as unknown as PasskeyRequestOptions);

    expectStatus(await confirm(dora, { id: thousand, method: 'passkey', response }), 422);
    expectStatus(await dora.transfer({ amount: '1000.00', payee }, thousand), 403);
    expectStatus(await confirm(dora, { id: ten, method: 'passkey', response }), 200);
    expectStatus(await dora.transfer({ amount: '1000.00', payee }, ten), 403);
    expectStatus(await dora.transfer({ amount: '10.00', payee }, ten), 204);
    expect(await dora.balance()).toBe('990.00');

    const details = { amount: '20.00', payee };
    const weaker = await dora.request({ purpose: 'transfer', details, method: 'code' });
    expect(weaker.body).toMatchObject({ error: 'method-not-allowed' });
  });

  it('lets the app approve a transfer when the passkey is lost, and no sent code', async () => {
    const fay = await signedIn('fay');
    const { app } = await addApp(fay);
    const details = { change: 'enrol', method: 'passkey' };
    const asked = await fay.request({ purpose: 'factors', details });
    const proof = String(asked.body['id']);
    expectStatus(await confirm(fay, { id: proof, method: 'totp', code: app.code(1) }), 200);
    const begun = await enrol(fay, 'passkey', proof);
    const { factor, options } = begun.body as {
      factor: { id: string };
      options: PasskeyCreationOptions;
    };
    const response = new SoftwareAuthenticator({ origin: ORIGIN }).create(options);
    expectStatus(
      await fay.call('POST', `${FACTORS}/activate`, { factor: factor.id, response }),
      200,
    );

    const transfer = { purpose: 'transfer', details: TEN_FIFTY };
    const { body } = await fay.request(transfer);
    expect(body).toMatchObject({ method: 'passkey', methods: ['passkey', 'totp'] });
    const weaker = await fay.request({ ...transfer, method: 'code' });
    expect(weaker.body).toMatchObject({ error: 'method-not-allowed' });
  });

  it('has a way back for a customer whose only passkey is lost: a recovery code removes it', async () => {
    const gil = await signedIn('gil');
    const begun = await enrol(gil, 'passkey', await byCode(gil, ENROL_PASSKEY));
    const { factor, options } = begun.body as {
      factor: { id: string };
      options: PasskeyCreationOptions;
    };
    const response = new SoftwareAuthenticator({ origin: ORIGIN }).create(options);
    const body = { factor: factor.id, response };
    const activated = await gil.call('POST', `${FACTORS}/activate`, body);
    const [code] = activated.body['recoveryCodes'] as string[];

    const last = { factor: factor.id, allowLast: true };
    const details = { change: 'remove', ...last };
    const asked = await gil.request({ purpose: 'factors', details, method: 'recovery' });
    const proof = String(asked.body['id']);
    expectStatus(await confirm(gil, { id: proof, method: 'recovery', code }), 200);
    expectStatus(await gil.with('POST', `${FACTORS}/remove`, last, proof), 200);
    const id = await gil.proveTransfer(TEN_FIFTY);
    expectStatus(await gil.transfer(TEN_FIFTY, id), 204);
    expect(await gil.balance()).toBe('989.50');
  });

  it('has its notice after the process has died between a change and the notice', async () => {
    const hal = await signedIn('hal');
    const service = bank.app.get(FactorNoticesService, { strict: false });
    const died = vi.spyOn(service, 'finish').mockImplementation(() => undefined);
    await addPasskey(hal);
    died.mockRestore();
    const rows: unknown[] = await bank.dataSource.query('SELECT * FROM bank_factor_change');
    expect(rows).toHaveLength(1);
    const told = (await hal.messages(hal.email)).filter(({ text }) => text.includes('was added'));
    expect(told).toEqual([]);

    // What the next start does, and each process when the call has taken too long.
    await bank.dataSource.query('UPDATE bank_factor_change SET due_at = 1');
    service.onApplicationBootstrap();
    await mail(hal, 'A passkey was added');
    await expect.poll(() => bank.dataSource.query('SELECT * FROM bank_factor_change')).toEqual([]);
  });

  it('has its notice although another customer has sent many changes that were refused', async () => {
    const ian = await signedIn('ian');
    const flood = await signedIn('flood');
    const service = bank.app.get(FactorNoticesService, { strict: false });
    // The notices are stored one after the other in the background.
    const settled = vi.spyOn(service, 'finish').mockImplementation(() => undefined);
    const bodies = [{ factor: 'recovery' }, { factor: 'a factor' }, {}];
    const refused = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        flood.call('POST', `${FACTORS}/remove`, bodies[index % bodies.length]),
      ),
    );
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([400, 403]));

    // Each of them has deleted its row before its answer, and nothing of them waits before the notice of a customer.
    expect(settled).not.toHaveBeenCalled();
    expect(await bank.dataSource.query('SELECT * FROM bank_factor_change')).toEqual([]);
    settled.mockRestore();
    await addPasskey(ian);
    await mail(ian, 'A passkey was added');
  });

  it('has no passkeys where no browser would use one', async () => {
    const address = await startBank({ environment: { PUBLIC_ORIGIN: 'http://192.0.2.7:3000' } });
    try {
      const eva = new Customer(address.url, 'eva@bank.example');
      expect((await eva.call('GET', '/api/v1/offer')).body).toMatchObject({ passkeyOrigin: null });
      await (await eva.signUp()).signIn();
      const asked = await eva.request({ purpose: 'factors', details: ENROL_PASSKEY });
      expectStatus(asked, 400);
    } finally {
      await address.close();
    }
  });
});
