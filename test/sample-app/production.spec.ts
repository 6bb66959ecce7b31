import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readSettings } from '../../sample-app/src/settings.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer } from '../support/customer.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  SMTP_URL: 'smtp://127.0.0.1:9',
  PUBLIC_ORIGIN: 'https://bank.example',
  TRUST_PROXY: 'none',
  TWO_FACTOR_SECRET: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64'),
};

describe('The bank in production', () => {
  let bank: Bank;
  let client: Customer;

  beforeAll(async () => {
    bank = await startBank({ environment: PRODUCTION });
    client = new Customer(bank.url, 'ann@bank.example');
  });

  afterAll(() => bank?.close());

  it.each([
    '/api',
    '/api/',
    '/api-json',
    '/api-yaml',
    '/inbox',
    '/inbox.html',
    '/inbox/messages',
    '/deliveries',
    '/deliveries.html',
    '/deliveries/list',
  ])('has nothing at %s', async (path) => {
    expect(await client.call('GET', path)).toMatchObject({ status: 404 });
  });

  it('reports to its page that there is neither an inbox nor Swagger UI, and requires HTTPS', async () => {
    const { body, headers } = await client.call('GET', '/api/v1/offer');
    expect(body).toEqual({
      ways: [{ name: 'email', verboseName: 'E-mail' }],
      passkeyOrigin: 'https://bank.example',
      hasInbox: false,
      hasSwagger: false,
    });
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
  });

  it('takes the public origin and no other, whatever the Host header says', async () => {
    const signIn = (origin: string) => client.call('POST', '/api/v1/sign-in', {}, { origin });
    expect(await signIn('https://bank.example')).toMatchObject({ status: 400 });
    expect(await signIn(bank.url)).toMatchObject({ body: { error: 'cross-site' } });
    expect(await signIn('http://bank.example')).toMatchObject({ body: { error: 'cross-site' } });
  });
});

describe('The settings', () => {
  it.each([
    ['SMTP_URL', '', 'There is no mail server. Set SMTP_URL'],
    ['PUBLIC_ORIGIN', '', 'The public address is unknown. Set PUBLIC_ORIGIN'],
    ['PUBLIC_ORIGIN', 'http://bank.example', 'Set PUBLIC_ORIGIN'],
    ['PUBLIC_ORIGIN', 'https://bank.example/', 'Set PUBLIC_ORIGIN'],
    ['PUBLIC_ORIGIN', 'bank.example', 'Set PUBLIC_ORIGIN'],
    // All clients would have the address of the proxy, and be one party.
    ['TRUST_PROXY', '', 'TRUST_PROXY is not set. Give the number of proxies'],
    // It would let every client choose its own address.
    ['TRUST_PROXY', 'true', 'Give the number of proxies'],
    ['TRUST_PROXY', '0', 'Give the number of proxies'],
    ['TRUST_PROXY', '10.0.0.0/8,all', 'Give the number of proxies'],
    ['REDIS_URL', '127.0.0.1:6379', 'Give one such as redis://127.0.0.1:6379'],
    ['PORT', '70000', 'Give a number from 0 to 65535'],
  ])('refuse %s=%s', (name, value, remedy) => {
    expect(() => readSettings({ ...PRODUCTION, [name]: value })).toThrow(remedy);
  });

  it.each([
    ['none', undefined],
    ['1', 1],
    ['10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
  ])('read TRUST_PROXY=%s', (text, trustProxy) => {
    expect(readSettings({ ...PRODUCTION, TRUST_PROXY: text }).trustProxy).toEqual(trustProxy);
  });

  it('trust no proxy unless they are told to: a client cannot choose its own address', async () => {
    const bank = await startBank();
    const answers = [];
    for (let index = 0; index < 31; index += 1) {
      const client = new Customer(bank.url, `x${index}@bank.example`, 'wrong password', {
        'x-forwarded-for': `192.0.2.${index}`,
      });
      answers.push((await client.givePassword()).status);
    }
    await bank.close();
    expect(answers.slice(29)).toEqual([401, 429]);
  });
});
