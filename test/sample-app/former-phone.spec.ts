// The person who has the customer's former phone, and knows the password, types the code that came to it before the number was replaced.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, TEN_FIFTY, TWO_FACTOR } from '../support/customer.js';
import { servers } from '../support/engines.js';

const CHANGED = { status: 403, body: { error: 'contact-changed' } };

describe.each(['sqljs', ...servers] as const)('A code to the former phone on %s', (engine) => {
  let bank: Bank;
  let numbers = 0;

  beforeAll(async () => {
    bank = await startBank({ engine });
  });

  afterAll(() => bank?.close());

  async function withPhone(name: string): Promise<{ owner: Customer; former: string }> {
    const owner = await new Customer(bank.url, `${name}@bank.example`).signUp();
    await owner.signIn();
    const former = `+491511000000${(numbers += 1)}`;
    await owner.changePhone(former);
    return { owner, former };
  }

  const replacePhone = (owner: Customer): Promise<void> =>
    owner.changePhone(`+491512000000${(numbers += 1)}`);

  /** Asks for a code to the phone of a customer. @returns what types it. */
  async function codeTo(
    phone: string,
    asking: Customer,
    body: object,
  ): Promise<() => Promise<string>> {
    const asked = await asking.request({ ...body, way: 'sms' });
    expectStatus(asked, 200);
    const id = String(asked.body['id']);
    const code = await asking.code(phone);
    return async () => {
      expectStatus(await asking.call('POST', `${TWO_FACTOR}/confirm`, { id, code }), 200);
      return id;
    };
  }

  it('signs no one in once the number was replaced', async () => {
    const { owner, former } = await withPhone('ann');
    const thief = new Customer(bank.url, owner.email);
    expectStatus(await thief.givePassword(), 204);
    const type = await codeTo(former, thief, { purpose: 'login' });

    await replacePhone(owner);
    // The change has ended the first step, and the password is as it was.
    expectStatus(await thief.givePassword(), 204);
    const proof = await type();

    expect(await thief.with('POST', '/api/v1/sessions', {}, proof)).toMatchObject(CHANGED);
    expect(await thief.isSignedIn()).toBe(false);
  });

  it('pays nothing once the number was replaced', async () => {
    const { owner, former } = await withPhone('bea');
    const type = await codeTo(former, owner, { purpose: 'transfer', details: TEN_FIFTY });

    await replacePhone(owner);
    const proof = await type();

    expect(await owner.transfer(TEN_FIFTY, proof)).toMatchObject(CHANGED);
    expect(await owner.balance()).toBe('1000.00');
    expect(await owner.transfers()).toEqual([]);
  });

  it('signs in and pays while the number is the customer’s, and so does a code to the mailbox after the change', async () => {
    const { owner, former } = await withPhone('cleo');
    const second = new Customer(bank.url, owner.email);
    expectStatus(await second.givePassword(), 204);
    const signIn = await codeTo(former, second, { purpose: 'login' });
    expectStatus(await second.with('POST', '/api/v1/sessions', {}, await signIn()), 204);
    const pay = await codeTo(former, second, { purpose: 'transfer', details: TEN_FIFTY });
    expectStatus(await second.transfer(TEN_FIFTY, await pay()), 204);

    const byMail = await owner.proveTransfer(TEN_FIFTY);
    await replacePhone(owner);
    expectStatus(await owner.transfer(TEN_FIFTY, byMail), 204);
    expect(await owner.balance()).toBe('979.00');
  });
});
