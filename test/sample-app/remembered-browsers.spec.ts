// A remembered browser signs in without a code. A thief wants to be remembered, or to use the cookie elsewhere.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, TEN_FIFTY, TWO_FACTOR, type Answer } from '../support/customer.js';

const CHROME = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36' };

describe('A remembered browser', () => {
  let bank: Bank;

  beforeAll(async () => {
    bank = await startBank();
  });

  afterAll(() => bank?.close());

  const signedUp = (name: string): Promise<Customer> =>
    new Customer(bank.url, `${name}@bank.example`, undefined, CHROME).signUp();

  /** Signs in by a code, with the box ticked. */
  async function remembered(customer: Customer): Promise<Customer> {
    expectStatus(await customer.givePassword(), 204);
    const id = await customer.prove({ purpose: 'login', way: 'email' }, customer.email);
    expectStatus(await customer.with('POST', '/api/v1/sessions', { remember: true }, id), 204);
    return customer;
  }

  async function signOut(customer: Customer): Promise<void> {
    expectStatus(await customer.call('DELETE', '/api/v1/sessions/current'), 204);
  }

  const devices = async (customer: Customer): Promise<{ id: string; label: string }[]> =>
    (
      (await customer.call('POST', `${TWO_FACTOR}/factors/list`, {})).body['factors'] as {
        id: string;
        label: string;
        method: string;
      }[]
    ).filter(({ method }) => method === 'device');

  async function byDevice(customer: Customer): Promise<Answer> {
    const { body } = await customer.request({ purpose: 'login' });
    const id = String(body['id']);
    const answer = await customer.call('POST', `${TWO_FACTOR}/confirm`, { id, method: 'device' });
    if (answer.status !== 200) return answer;
    return customer.with('POST', '/api/v1/sessions', {}, id);
  }

  it('signs in without a message, and its owner is told that it can', async () => {
    const ann = await remembered(await signedUp('ann'));
    expect(await devices(ann)).toMatchObject([{ label: 'Chrome on Linux' }]);
    await expect
      .poll(async () => (await ann.messages(ann.email)).map(({ text }) => text).join())
      .toContain('A browser that signs in without a code was remembered');
    await signOut(ann);

    const sent = (await ann.messages(ann.email)).length;
    expectStatus(await ann.givePassword(), 204);
    const { body } = await ann.request({ purpose: 'login' });
    expect(body).toMatchObject({ method: 'device', methods: ['device', 'code'] });
    expectStatus(await byDevice(ann), 204);
    expect(await ann.isSignedIn()).toBe(true);
    expect(await ann.messages(ann.email)).toHaveLength(sent);
  });

  it('is remembered only where the box is ticked, and needs the password', async () => {
    const bea = await (await signedUp('bea')).signIn();
    expect([...bea.cookies.keys()]).toEqual(['session']);
    expect(await devices(bea)).toEqual([]);

    const thief = await remembered(bea);
    await signOut(thief);
    expectStatus(await thief.request({ purpose: 'login' }), 403);
    expectStatus(await thief.givePassword('wrong password'), 401);
    expectStatus(await thief.request({ purpose: 'login' }), 403);
  });

  it('confirms for its own customer only, and neither a transfer nor a change', async () => {
    const cleo = await remembered(await signedUp('cleo'));
    const dora = await signedUp('dora');
    dora.cookies.set('device', cleo.cookies.get('device')!);
    expectStatus(await dora.givePassword(), 204);
    expect((await dora.request({ purpose: 'login' })).body).toMatchObject({ method: 'code' });
    expect((await byDevice(dora)).status).toBeGreaterThanOrEqual(400);

    for (const body of [
      { purpose: 'transfer', details: TEN_FIFTY },
      { purpose: 'factors', details: { change: 'enrol', method: 'totp' } },
      { purpose: 'change-password' },
    ]) {
      const { body: asked } = await cleo.request(body);
      const answer = await cleo.call('POST', `${TWO_FACTOR}/confirm`, {
        id: asked['id'],
        method: 'device',
      });
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }
  });

  it('is forgotten by its owner, and with a new password', async () => {
    const eva = await remembered(await signedUp('eva'));
    const [device] = await devices(eva);
    const details = { change: 'remove', factor: device!.id };
    const proof = await eva.prove({ purpose: 'factors', details }, eva.email);
    const body = { factor: device!.id };
    expectStatus(await eva.with('POST', `${TWO_FACTOR}/factors/remove`, body, proof), 200);
    await signOut(eva);
    expectStatus(await eva.givePassword(), 204);
    expect((await eva.request({ purpose: 'login' })).body).toMatchObject({ method: 'code' });

    const again = await remembered(eva);
    const change = await again.prove({ purpose: 'change-password', way: 'email' }, eva.email);
    const passwords = { password: eva.password, newPassword: 'a better password' };
    expectStatus(await again.with('PUT', '/api/v1/me/password', passwords, change), 204);
    expect(await devices(again)).toEqual([]);
    await signOut(again);
    again.password = 'a better password';
    expectStatus(await again.givePassword(), 204);
    expect((await again.request({ purpose: 'login' })).body).toMatchObject({ method: 'code' });
  });
});
