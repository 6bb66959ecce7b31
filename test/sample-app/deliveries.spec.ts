// The development page about deliveries: a gateway that is switched off, failover, repeated messages, and nothing secret.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { codes, Customer, expectStatus, TWO_FACTOR } from '../support/customer.js';
import { servers } from '../support/engines.js';

interface Delivery {
  readonly purpose: string;
  readonly way: string;
  readonly to: string;
  readonly status: string;
  readonly nextTryAt: string | null;
  readonly tries: readonly { readonly by: string; readonly isAccepted: boolean }[];
}

interface List {
  readonly gateways: readonly { readonly name: string; readonly isFailing: boolean }[];
  readonly deliveries: readonly Delivery[];
}

describe.each(['sqljs', ...servers] as const)('Deliveries on %s', (engine) => {
  let bank: Bank;
  let ann: Customer;
  let phones = 0;

  beforeAll(async () => {
    bank = await startBank({ engine });
    ann = await new Customer(bank.url, 'ann@bank.example').signUp();
    await ann.signIn();
  });

  afterAll(() => bank?.close());

  const list = async (): Promise<List> =>
    (await ann.call('GET', '/deliveries/list')).body as unknown as List;

  const switchGateway = async (name: string, isFailing: boolean): Promise<void> =>
    expectStatus(await ann.call('PUT', `/deliveries/gateways/${name}`, { isFailing }), 204);

  const newPhone = (): string => {
    phones += 1;
    return `+491511234500${phones}`;
  };

  const askFor = (phone: string) =>
    ann.call('POST', `${TWO_FACTOR}/request-confirmation`, {
      purpose: 'new-phone',
      way: 'sms',
      token: phone,
    });

  const newest = async (): Promise<Delivery> => (await list()).deliveries[0]!;

  it('tells what became of a mail, without the address', async () => {
    const { deliveries } = await list();
    expect(deliveries).toMatchObject([
      { purpose: 'login', way: 'email', to: 'a***@b***.example', status: 'sent' },
      { purpose: 'sign-up', way: 'email', to: 'a***@b***.example', status: 'sent' },
    ]);
    expect(deliveries[0]!.tries).toMatchObject([{ by: '', isAccepted: true }]);
  });

  it('sends by the second gateway when the first one fails', async () => {
    await switchGateway('north', true);
    const phone = newPhone();
    const { body } = await askFor(phone);
    expect(body).toMatchObject({ delivery: 'queued' });
    expect(await ann.untilDelivered(body['id'])).toBe('sent');

    expect(await ann.messages(phone)).toHaveLength(1);
    expect(await newest()).toMatchObject({
      way: 'sms',
      status: 'sent',
      tries: [
        { by: 'north', isAccepted: false },
        { by: 'south', isAccepted: true },
      ],
    });
  });

  it('sends a waiting message once a gateway works again', async () => {
    await switchGateway('north', true);
    await switchGateway('south', true);
    const phone = newPhone();
    const { body } = await askFor(phone);
    await expect
      .poll(newest)
      .toMatchObject({ status: 'waiting', tries: [{ by: 'north' }, { by: 'south' }] });
    expect((await newest()).nextTryAt).not.toBeNull();
    expect(await ann.messages(phone)).toEqual([]);

    await switchGateway('south', false);
    expect(await ann.untilDelivered(body['id'])).toBe('sent');
    expect(await ann.messages(phone)).toHaveLength(1);
    expect((await newest()).tries.at(-1)).toMatchObject({ by: 'south', isAccepted: true });
    await switchGateway('north', false);
  });

  it('has no code and no number in it, and no gateway that does not exist', async () => {
    const phone = newPhone();
    const { body } = await askFor(phone);
    await ann.untilDelivered(body['id']);
    const code = await ann.code(phone);
    const text = JSON.stringify(await list());
    expect(codes.has(code)).toBe(true);
    for (const secret of [...codes, phone, ann.email, body['id']]) {
      expect(text).not.toContain(secret);
    }
    const unknown = await ann.call('PUT', '/deliveries/gateways/east', { isFailing: true });
    expectStatus(unknown, 404);
    const wrong = await ann.call('PUT', '/deliveries/gateways/north', { isFailing: 'yes' });
    expectStatus(wrong, 400);
    const elsewhere = { origin: 'https://evil.example' };
    const foreign = await ann.call(
      'PUT',
      '/deliveries/gateways/north',
      { isFailing: true },
      elsewhere,
    );
    expect(foreign).toMatchObject({ body: { error: 'cross-site' } });
  });
});
