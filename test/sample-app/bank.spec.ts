import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import {
  codeIn,
  codes,
  Customer,
  expectStatus,
  PASSWORD,
  TEN_FIFTY,
  TWO_FACTOR,
  type Answer,
  type InboxMessage,
} from '../support/customer.js';
import { servers } from '../support/engines.js';

describe.each(['sqljs', ...servers] as const)('The bank on %s', (engine) => {
  let bank: Bank;
  let ann: Customer;

  beforeAll(async () => {
    bank = await startBank({ engine });
    ann = await new Customer(bank.url, 'ann@bank.example').signUp();
    await ann.signIn();
  });

  afterAll(() => bank?.close());

  const signedUp = (name: string): Promise<Customer> =>
    new Customer(bank.url, `${name}@bank.example`).signUp();

  const signedIn = async (name: string): Promise<Customer> => (await signedUp(name)).signIn();

  it('pays once when ten requests bring one confirmation', async () => {
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

  it('finds the transfer of a confirmation for its payer alone', async () => {
    const paul = await signedIn('paul');
    const rita = await signedIn('rita');
    const body = { amount: '10.50', payee: rita.email };
    const id = await paul.proveTransfer(body);
    const find = async (customer: Customer, query: string): Promise<Answer> =>
      customer.call('GET', `/api/v1/transfers?${query}`);
    expect(await find(paul, `confirmationId=${id}`)).toMatchObject({ status: 200, body: [] });
    expectStatus(await paul.transfer(body, id), 204);
    expectStatus(await paul.transfer(TEN_FIFTY, await paul.proveTransfer(TEN_FIFTY)), 204);

    const { body: found } = await find(paul, `confirmationId=${id}`);
    expect(found).toEqual([
      expect.objectContaining({ direction: 'out', counterparty: rita.email, confirmationId: id }),
    ]);
    expect(await find(rita, `confirmationId=${id}`)).toMatchObject({ status: 200, body: [] });
    expect(await find(paul, 'confirmationId=')).toMatchObject({ status: 200, body: [] });
    expectStatus(await find(paul, 'confirmationId=a&confirmationId=b'), 400);
    expectStatus(await find(paul, `confirmationid=${id}`), 400);
  });

  it('refuses another amount or payee than the approved ones', async () => {
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

  it('does not spend the same money twice, and keeps the proof of the refused transfer', async () => {
    const max = await signedIn('max');
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

  it('loses no cent when opposite transfers run at once', async () => {
    const [lea, kim] = [await signedIn('lea'), await signedIn('kim')];
    const transfers = [];
    for (let round = 0; round < 6; round += 1) {
      const [there, back] = [kim, lea].map(({ email }) => ({ amount: '1.01', payee: email }));
      transfers.push([lea, there!, await lea.proveTransfer(there!)] as const);
      transfers.push([kim, back!, await kim.proveTransfer(back!)] as const);
    }

    const answers = await Promise.all(
      transfers.map(([payer, body, id]) => payer.transfer(body, id)),
    );

    expect(answers.map(({ status }) => status)).toEqual(transfers.map(() => 204));
    expect([await lea.balance(), await kim.balance()]).toEqual(['1000.00', '1000.00']);
  });

  it('sends no code for more money than there is', async () => {
    const before = (await ann.messages(ann.email)).length;
    const details = { ...TEN_FIFTY, amount: '5000.00' };

    expect(await ann.request({ purpose: 'transfer', way: 'email', details })).toMatchObject({
      status: 422,
      body: { error: 'not-enough-money' },
    });
    expect(await ann.messages(ann.email)).toHaveLength(before);
  });

  it('opens an account for the proved address alone, and once', async () => {
    const tom = new Customer(bank.url, 'tom@bank.example');
    const confirmationId = await tom.proveAddress();

    const stolen = { email: 'president@bank.example', password: PASSWORD, confirmationId };
    expect(await tom.call('POST', '/api/v1/accounts', stolen)).toMatchObject({ status: 403 });
    const own = { ...stolen, email: tom.email };
    expect(await tom.call('POST', '/api/v1/accounts', own)).toMatchObject({ status: 204 });
    expect(await tom.call('POST', '/api/v1/accounts', own)).toMatchObject({ status: 403 });
    const again = { ...own, confirmationId: await tom.proveAddress() };
    expect(await tom.call('POST', '/api/v1/accounts', again)).toMatchObject({ status: 409 });
  });

  it.each([
    ['the Kelvin sign', '\u212Aate', 'kate'],
    ['a long s', '\u017Fam', 'sam'],
    ['full-width letters', '\uFF41\uFF4E\uFF4E\uFF41', 'anna'],
  ])(
    'opens no account by the mailbox of another person that is spelt with %s',
    async (_, local, other) => {
      const thief = new Customer(bank.url, `${local}@bank.example`);
      const asked = { purpose: 'sign-up', way: 'email', token: thief.email };
      const id = String((await thief.request(asked)).body['id']);
      const inbox = (await thief.call('GET', '/inbox/messages')).body as unknown as InboxMessage[];
      const mail = inbox.find(
        ({ to }) => to.normalize('NFKC').toLowerCase() === `${other}@bank.example`,
      );
      // What a thief would do with a code that arrives there.
      if (mail !== undefined) {
        await thief.call('POST', `${TWO_FACTOR}/confirm`, { id, code: codeIn(mail.text) });
      }

      const account = { email: `${other}@bank.example`, password: PASSWORD, confirmationId: id };
      expect(await thief.call('POST', '/api/v1/accounts', account)).toMatchObject({ status: 403 });
      const own = { ...account, email: thief.email };
      expect(await thief.call('POST', '/api/v1/accounts', own)).toMatchObject({ status: 400 });
      expect(await thief.givePassword()).toMatchObject({ status: 400 });
      expect(mail).toBeUndefined();
    },
  );

  it('changes the phone number to the proved one alone', async () => {
    const [own, other] = ['+4915112345678', '+4915187654321'];
    const { agreed, held } = await ann.provePhone(own);
    const change = (phone: string, proof: string, phoneConfirmationId: string) =>
      ann.with(
        'PUT',
        '/api/v1/me/phone',
        { phone, password: PASSWORD, phoneConfirmationId },
        proof,
      );

    expect(await change(other, agreed, held)).toMatchObject({ status: 403 });
    expect(await change(own, held, held)).toMatchObject({ status: 403 });
    expect(await change(own, agreed, agreed)).toMatchObject({ status: 403 });
    expect(await change(own, agreed, held)).toMatchObject({ status: 204 });
    expect((await ann.call('GET', '/api/v1/me')).body).toMatchObject({ phone: own });
    expect((await change(own, agreed, held)).status).toBeGreaterThanOrEqual(400);
  });

  it('sends the code for a new number nowhere but there', async () => {
    const phone = '+4915187654321';
    const purpose = 'new-phone';

    for (const [status, body] of [
      [400, { purpose, way: 'sms' }],
      [400, { purpose, way: 'email', token: phone }],
      [400, { purpose, way: 'sms', token: phone, details: { phone } }],
    ] as const) {
      expect(await ann.request(body)).toMatchObject({ status });
    }
    // The gateway is asked after the answer, so that only `check` shows its refusal.
    const { body } = await ann.request({ purpose, way: 'sms', token: ann.email });
    expect(await ann.call('POST', `${TWO_FACTOR}/check`, { id: body['id'] })).toMatchObject({
      body: { delivery: 'failed', deliveryError: 'recipient-not-allowed' },
    });
    // Her mailbox has other mail, also a notice that arrives only now.
    const texts = (await ann.messages(ann.email)).map(({ text }) => text).join('\n');
    expect(texts).not.toContain('makes this number yours');
  });

  it('changes the password, and takes the new one from then on', async () => {
    const pia = await signedIn('pia');
    const body = { password: pia.password, newPassword: 'a better password' };
    const proof = await pia.prove({ purpose: 'change-password', way: 'email' }, pia.email);

    expect(await pia.with('PUT', '/api/v1/me/password', body, proof)).toMatchObject({
      status: 204,
    });

    expect(await pia.givePassword(PASSWORD)).toMatchObject({ status: 401 });
    expect(await pia.givePassword('a better password')).toMatchObject({ status: 204 });
  });

  it('lists the sessions of a customer and ends one, or all others', async () => {
    const first = await new Customer(bank.url, 'uma@bank.example', PASSWORD, {
      'user-agent': `Phone ${'x'.repeat(200)}`,
    }).signUp();
    await first.signIn();
    const second = await new Customer(bank.url, first.email).signIn();
    const third = await new Customer(bank.url, first.email).signIn();
    const list = async () =>
      (await third.call('GET', '/api/v1/sessions')).body as unknown as {
        id: string;
        device: string;
        isCurrent: boolean;
      }[];

    const sessions = await list();
    expect(sessions.map(({ isCurrent }) => isCurrent)).toEqual([true, false, false]);
    const phone = sessions.find(({ device }) => device.startsWith('Phone'))!;
    expect(phone.device).toHaveLength(120);

    const path = `/api/v1/sessions/${phone.id}`;
    expect(await ann.call('DELETE', path)).toMatchObject({ status: 404 });
    expect(await first.isSignedIn()).toBe(true);
    expect(await third.call('DELETE', path)).toMatchObject({ status: 204 });
    expect(await first.isSignedIn()).toBe(false);
    expect(await second.isSignedIn()).toBe(true);

    expect(await third.call('DELETE', '/api/v1/sessions/others')).toMatchObject({
      status: 200,
      body: { newer: 0 },
    });
    expect(await second.isSignedIn()).toBe(false);
    expect(await list()).toHaveLength(1);
    expect(await ann.isSignedIn()).toBe(true);
  });

  it('prints no code', () => {
    const printed = bank.printed();
    const found = [...codes].filter((code) => new RegExp(`\\b${code}\\b`).test(printed));

    expect(codes.size).toBeGreaterThan(10);
    expect(printed).toContain('Nest application successfully started');
    expect(found).toEqual([]);
  });
});
