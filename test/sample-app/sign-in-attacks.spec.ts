import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { CatchAllMailServer } from '../../sample-app/src/inbox/catch-all-mail-server.js';
import { InboxService } from '../../sample-app/src/inbox/inbox.service.js';
import { PasswordHash } from '../../sample-app/src/passwords/password-hash.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, codeIn, expectStatus, PASSWORD, TWO_FACTOR } from '../support/customer.js';
import { servers } from '../support/engines.js';

describe.each(['sqljs', ...servers] as const)('The sign-in on %s', (engine) => {
  let bank: Bank;
  let ann: Customer;
  let addresses = 0;

  beforeAll(async () => {
    bank = await startBank({ engine, environment: { TRUST_PROXY: '1' } });
    ann = await new Customer(bank.url, 'ann@bank.example').signUp();
    await ann.signIn();
    await new Customer(bank.url, 'max@bank.example').signUp();
  });

  afterAll(() => bank?.close());

  /** A client with an address of its own, as the proxy names it. */
  const client = (email: string, address = `192.0.2.${(addresses += 1)}`): Customer =>
    new Customer(bank.url, email, PASSWORD, { 'x-forwarded-for': address });

  it('answers and computes the same for a wrong password and an account that does not exist', async () => {
    const derived = vi.spyOn(bank.app.get(PasswordHash), 'derive');
    const answers = [];
    for (const email of [ann.email, 'x@bank.example', 'bob@bank.example']) {
      const { status, body } = await client(email).givePassword('wrong password');
      answers.push({ status, body: { ...body, instance: '' } });
    }

    expect(derived).toHaveBeenCalledTimes(3);
    derived.mockRestore();
    expect(answers[0]).toMatchObject({ status: 401, body: { error: 'wrong-password' } });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it.each(['max@bank.example', 'nobody@bank.example'])(
    'compares no more than ten passwords for %s, however many addresses send them at once',
    async (email) => {
      const compared = vi.spyOn(bank.app.get(PasswordHash), 'matches');

      const answers = [];
      for (let round = 0; round < 2; round += 1) {
        const guesses = Array.from({ length: 8 }, (_, index) =>
          client(email).givePassword(`guess ${round} ${index}`),
        );
        answers.push(...(await Promise.all(guesses)));
      }

      expect(compared).toHaveBeenCalledTimes(10);
      compared.mockRestore();
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused).toHaveLength(6);
      expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(800);
      // Not even the right password is tried now.
      expectStatus(await client(email).givePassword(), 429);
    },
  );

  it('leaves the sessions and the changes of an account alone whose sign-in strangers have blocked', async () => {
    const guesses = Array.from({ length: 12 }, (_, index) =>
      client(ann.email).givePassword(`guess ${index}`),
    );
    await Promise.all(guesses);
    expectStatus(await client(ann.email).givePassword(), 429);

    expect(await ann.isSignedIn()).toBe(true);
    await ann.changePhone('+4915112345678');
  });

  it('compares thirty passwords from one network, whatever accounts they are for', async () => {
    const compared = vi.spyOn(bank.app.get(PasswordHash), 'matches');
    const answers = [];
    for (let index = 0; index < 36; index += 1) {
      // Other addresses of the same /64 are the same client.
      const address = `2001:db8:0:1:${index.toString(16)}::1`;
      answers.push(await client(`victim-${index}@bank.example`, address).givePassword());
    }

    expect(compared).toHaveBeenCalledTimes(30);
    compared.mockRestore();
    expect(answers.slice(0, 30).every(({ status }) => status === 401)).toBe(true);
    expect(answers.slice(30).every(({ status }) => status === 429)).toBe(true);
    expectStatus(await client('victim@bank.example', '2001:db8:0:2::1').givePassword(), 401);
  });

  it('gives no session for the password alone', async () => {
    const eve = await client('eve@bank.example').signUp();
    expectStatus(await eve.givePassword(), 204);

    expect([...eve.cookies.keys()]).toEqual(['sign-in']);
    expect(await eve.isSignedIn()).toBe(false);
    // The token of the first step under the name of a session is none either.
    const { email, headers } = eve;
    const forged = new Customer(bank.url, email, PASSWORD, headers);
    forged.cookies.set('session', eve.cookies.get('sign-in')!);
    expect(await forged.isSignedIn()).toBe(false);
    expectStatus(await eve.call('POST', '/api/v1/sessions', {}), 403);
  });

  it('sends no sign-in code to a client that did not give the password', async () => {
    const lea = await client('lea@bank.example').signUp();
    const login = { purpose: 'login', way: 'email' };
    const before = (await lea.messages(lea.email)).length;

    expectStatus(await lea.request(login), 403);
    expectStatus(await lea.request({ ...login, token: lea.email }), 403);
    expectStatus(await ann.request(login), 403);
    expect(await lea.messages(lea.email)).toHaveLength(before);
  });

  it('takes no proof of another account, of another purpose, or a second time', async () => {
    const tom = await client('tom@bank.example').signUp();
    const kim = await client('kim@bank.example').signUp();
    const login = { purpose: 'login', way: 'email' };
    expectStatus(await tom.givePassword(), 204);
    expectStatus(await kim.givePassword(), 204);
    const kims = await kim.prove(login, kim.email);
    const toms = await tom.prove(login, tom.email);

    expectStatus(await tom.with('POST', '/api/v1/sessions', {}, kims), 403);
    const address = await tom.proveAddress();
    expectStatus(await tom.with('POST', '/api/v1/sessions', {}, address), 403);
    const twin = tom.stolen();
    const both = [tom, twin].map((each) => each.with('POST', '/api/v1/sessions', {}, toms));
    const statuses = (await Promise.all(both)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, expect.toSatisfy((s) => s >= 400)]);
    expect([await tom.isSignedIn(), await twin.isSignedIn()].filter(Boolean)).toHaveLength(1);
  });

  it('signs no planted token in: each step draws a new one', async () => {
    const planted = 'p'.repeat(43);
    const pia = await client('pia@bank.example').signUp();
    pia.cookies.set('session', planted);
    pia.cookies.set('sign-in', planted);

    expectStatus(await pia.givePassword(), 204);
    const firstStep = pia.cookies.get('sign-in');
    expect(firstStep).toMatch(/^[\w-]{43}$/);
    expect(firstStep).not.toBe(planted);
    const id = await pia.prove({ purpose: 'login', way: 'email' }, pia.email);
    expectStatus(await pia.with('POST', '/api/v1/sessions', {}, id), 204);

    expect(pia.cookies.get('session')).toMatch(/^[\w-]{43}$/);
    expect([planted, firstStep]).not.toContain(pia.cookies.get('session'));
    expect(pia.cookies.has('sign-in')).toBe(false);
    const attacker = client(pia.email);
    attacker.cookies.set('session', planted);
    expect(await attacker.isSignedIn()).toBe(false);
    // A further sign-in in the same browser ends the session that was there.
    const before = pia.stolen();
    await pia.signIn();
    expect(await before.isSignedIn()).toBe(false);
    // Of two cookies with one name, one was planted.
    const twice = { cookie: `session=${planted}; session=${pia.cookies.get('session')}` };
    expectStatus(await pia.call('GET', '/api/v1/me', undefined, twice), 401);
  });

  it('keeps no token in the database', async () => {
    const tokens = [...ann.cookies.values()];
    const rows = JSON.stringify([
      await bank.dataSource.query('SELECT * FROM bank_session'),
      await bank.dataSource.query('SELECT * FROM bank_first_step'),
    ]);

    expect(tokens).toHaveLength(1);
    expect(rows).toContain('token_hash');
    expect(tokens.filter((token) => rows.includes(token))).toEqual([]);
  });
});

describe('The cookies', () => {
  it('are kept from scripts, other sites and other subdomains, and travel over HTTPS only in production', async () => {
    const inbox = new InboxService();
    const server = await CatchAllMailServer.listen(inbox);
    const bank = await startBank({
      environment: {
        NODE_ENV: 'production',
        SMTP_URL: server.url,
        PUBLIC_ORIGIN: 'https://bank.example',
        TRUST_PROXY: 'none',
        TWO_FACTOR_SECRET: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString(
          'base64',
        ),
      },
    });
    const email = 'ann@bank.example';
    const ann = new Customer(bank.url, email);
    const prove = async (purpose: string, token?: string): Promise<string> => {
      const { body } = await ann.request({ purpose, way: 'email', token });
      const code = codeIn(inbox.list()[0]!.text);
      expectStatus(await ann.call('POST', `${TWO_FACTOR}/confirm`, { id: body['id'], code }), 200);
      return String(body['id']);
    };
    const confirmationId = await prove('sign-up', email);
    const account = { email, password: PASSWORD, confirmationId };
    expectStatus(await ann.call('POST', '/api/v1/accounts', account), 204);

    const first = await ann.givePassword();
    const second = await ann.with('POST', '/api/v1/sessions', {}, await prove('login'));

    const attributes = 'Path=/; HttpOnly; SameSite=Strict; Secure';
    expect(first.headers.getSetCookie()).toEqual([
      expect.stringMatching(new RegExp(`^__Host-sign-in=[\\w-]{43}; Max-Age=900; ${attributes}$`)),
    ]);
    expect(second.headers.getSetCookie()).toEqual([
      `__Host-sign-in=; Max-Age=0; ${attributes}`,
      expect.stringMatching(
        new RegExp(`^__Host-session=[\\w-]{43}; Max-Age=28800; ${attributes}$`),
      ),
    ]);
    expect(await ann.isSignedIn()).toBe(true);
    await bank.close();
    await server.onApplicationShutdown();
  });
});
