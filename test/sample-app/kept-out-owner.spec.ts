// A thief with a copy of the session cookie wants to keep the owner out, who signs in with the password and a sent code.
import { randomUUID } from 'node:crypto';

import { FactorService, TwoFactorService, TwoFactorUnavailableError } from 'nestjs-two-factor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { CodeCountService } from '../../sample-app/src/sessions/code-count.service.js';
import { Session } from '../../sample-app/src/sessions/session.entity.js';
import { startBank, type Bank } from '../support/bank.js';
import {
  Customer,
  expectStatus,
  TEN_FIFTY,
  TWO_FACTOR,
  untilAllDelivered,
  type Answer,
} from '../support/customer.js';
import { servers } from '../support/engines.js';

const OTHERS = '/api/v1/sessions/others';
const CODE = { purpose: 'change-password', way: 'email' };
const SIGNED_OUT = 'Browsers were signed out of your account at';

describe.each(['sqljs', ...servers] as const)('The owner of a stolen session on %s', (engine) => {
  let bank: Bank;

  beforeAll(async () => {
    bank = await startBank({ engine });
  });

  afterAll(() => bank?.close());

  const signedIn = async (name: string): Promise<Customer> =>
    (await new Customer(bank.url, `${name}@bank.example`).signUp()).signIn();

  const again = ({ url, email }: Customer): Customer => new Customer(url, email);

  const mails = async (owner: Customer): Promise<number> =>
    (await owner.messages(owner.email)).filter(({ text }) => text.includes(SIGNED_OUT)).length;

  it('signs in and ends the session of a thief who ends all others at each step', async () => {
    const ann = await signedIn('ann');
    const thief = ann.stolen();
    const owner = again(ann);

    expectStatus(await owner.givePassword(), 204);
    // The thief does not read from it when the owner waits for a code.
    expect(await thief.call('DELETE', OTHERS)).toMatchObject({ status: 200, body: { newer: 0 } });
    const id = await owner.prove({ purpose: 'login', way: 'email' }, owner.email);
    expectStatus(await owner.with('POST', '/api/v1/sessions', {}, id), 204);
    expect(await thief.call('DELETE', OTHERS)).toMatchObject({ status: 200, body: { newer: 1 } });
    const listed = (await owner.call('GET', '/api/v1/sessions')).body as unknown as {
      id: string;
      isCurrent: boolean;
    }[];
    const own = listed.find(({ isCurrent }) => isCurrent)!.id;
    expect(await thief.call('DELETE', `/api/v1/sessions/${own}`)).toMatchObject({
      status: 409,
      body: { error: 'newer-session' },
    });

    expect(await owner.call('DELETE', OTHERS)).toMatchObject({ status: 200, body: { newer: 0 } });
    expect(await thief.isSignedIn()).toBe(false);
    expect(await owner.isSignedIn()).toBe(true);
  });

  it('gets a mail when a browser signs others out, and none when there were none', async () => {
    const bea = await signedIn('bea');
    const second = await again(bea).signIn();
    const third = await again(bea).signIn();
    expectStatus(await bea.call('DELETE', OTHERS), 200);
    expectStatus(await second.call('DELETE', OTHERS), 200);
    await expect.poll(() => mails(bea)).toBe(1);

    const fourth = await again(bea).signIn();
    const listed = (await fourth.call('GET', '/api/v1/sessions')).body as unknown as {
      id: string;
      isCurrent: boolean;
    }[];
    for (const { id } of listed.filter(({ isCurrent }) => !isCurrent)) {
      expectStatus(await fourth.call('DELETE', `/api/v1/sessions/${id}`), 204);
    }
    await expect.poll(() => mails(bea)).toBe(3);
    expect(await third.isSignedIn()).toBe(false);
  });

  it('gets no mail about sessions that have expired, whichever route deletes them', async () => {
    const fay = await signedIn('fay');
    const sessions = bank.dataSource.getRepository(Session);
    /** Signs in once more, when all sessions before have expired. */
    const signInAlone = async (): Promise<{ owner: Customer; before: string }> => {
      const [{ id }] = (await sessions.find({
        where: { user: { email: fay.email } },
        order: { createdAt: 'DESC' },
      })) as [Session];
      await sessions.update({ id }, { expiresAt: 1 });
      return { owner: await again(fay).signIn(), before: id };
    };

    const { owner, before } = await signInAlone();
    expectStatus(await owner.call('DELETE', `/api/v1/sessions/${before}`), 204);
    const { owner: second } = await signInAlone();
    expectStatus(await second.call('DELETE', OTHERS), 200);
    // The mail about this one comes after those that must not come.
    const third = await again(fay).signIn();
    expectStatus(await third.call('DELETE', OTHERS), 200);
    await expect.poll(() => mails(fay)).toBe(1);
    // A notice is deleted a moment after it was sent. When all are gone, no other mail can come.
    await expect.poll(() => bank.dataSource.query('SELECT * FROM bank_notice')).toEqual([]);
    expect(await mails(fay)).toBe(1);
  });

  it('ends the half-finished sign-ins that were begun before with all other sessions', async () => {
    const cleo = await signedIn('cleo');
    const thief = again(cleo);
    expectStatus(await thief.givePassword(), 204);
    const owner = await again(cleo).signIn();

    expect(await owner.call('DELETE', OTHERS)).toMatchObject({ status: 200, body: { newer: 0 } });

    expectStatus(await thief.request({ purpose: 'login', way: 'email' }), 403);
  });

  it('has codes left to sign in with, however many a thief asks for at once', async () => {
    const dora = await signedIn('dora');
    const thief = dora.stolen();
    const tooMuch = { ...TEN_FIFTY, amount: '5000.00' };
    for (let index = 0; index < 11; index += 1) {
      // No code is sent, and none is counted.
      expectStatus(await thief.request({ purpose: 'transfer', details: tooMuch }), 422);
    }
    const ask = (): Promise<Answer> =>
      thief.call('POST', `${TWO_FACTOR}/request-confirmation`, CODE);

    const answers = await Promise.all(Array.from({ length: 15 }, ask));

    const sent = answers.filter(({ status }) => status === 200);
    expect(sent).toHaveLength(10);
    for (const answer of answers.filter((each) => !sent.includes(each))) {
      expect(answer).toMatchObject({ status: 429, body: { error: 'too-many-codes' } });
    }
    const { id } = sent[0]!.body;
    // The purpose of a sign-in, which no session pays for, is no member of this body. Unknown members are ignored.
    for (const body of [{ id }, { id, purpose: 'login' }]) {
      expect(await thief.call('POST', `${TWO_FACTOR}/resend`, body)).toMatchObject({
        status: 429,
        body: { error: 'too-many-codes' },
      });
    }
    // Otherwise a code of the thief could arrive after the owner's.
    await untilAllDelivered(bank.url);
    const owner = await again(dora).signIn();
    expectStatus(await owner.request(CODE), 200);
  });

  /** Asks for a code as a page does, which repeats the request with its key after a reload. */
  const askWithKey = (customer: Customer, key: string, body: object): Promise<Answer> =>
    customer.call('POST', `${TWO_FACTOR}/request-confirmation`, body, {
      'idempotency-key': `"${key}"`,
    });

  const countedFor = async ({ email }: Customer): Promise<number> => {
    const sessions = bank.dataSource.getRepository(Session);
    return (await sessions.findOneByOrFail({ user: { email } })).codes;
  };

  it('is charged once for a code, however often a page asks for it by its key, also after the last code', async () => {
    const gil = await signedIn('gil');
    const key = randomUUID();
    const first = await askWithKey(gil, key, CODE);
    expectStatus(first, 200);
    const repeats = Array.from({ length: 5 }, () => askWithKey(gil, key, CODE));
    for (const repeat of await Promise.all(repeats)) {
      expect(repeat).toMatchObject({ status: 200, body: { id: first.body['id'] } });
    }
    expect(await countedFor(gil)).toBe(1);

    for (let index = 0; index < 9; index += 1) expectStatus(await gil.request(CODE), 200);
    expect(await askWithKey(gil, randomUUID(), CODE)).toMatchObject({ status: 429 });
    expect(await askWithKey(gil, key, CODE)).toMatchObject({ status: 200 });
    expect(await countedFor(gil)).toBe(10);
  });

  it('is charged once for two requests with one key at once', async () => {
    const hal = await signedIn('hal');
    const key = randomUUID();
    const answers = await Promise.all([askWithKey(hal, key, CODE), askWithKey(hal, key, CODE)]);
    for (const answer of answers) expectStatus(answer, 200);
    expect(await countedFor(hal)).toBe(1);
  });

  it('is charged for the code of each purpose when one key asks for two', async () => {
    const ida = await signedIn('ida');
    const key = randomUUID();
    expectStatus(await askWithKey(ida, key, CODE), 200);
    const transfer = { purpose: 'transfer', way: 'email', details: TEN_FIFTY };
    expectStatus(await askWithKey(ida, key, transfer), 200);
    expect(await countedFor(ida)).toBe(2);
  });

  it('is charged for a code whose request failed without telling whether it was sent, and for none that was refused', async () => {
    const jim = await signedIn('jim');
    const requests = vi.spyOn(
      bank.app.get(TwoFactorService, { strict: false }),
      'requestWithChoice',
    );
    requests.mockRejectedValueOnce(new TwoFactorUnavailableError('The commit was not answered.'));
    expectStatus(await jim.request(CODE), 503);
    expect(await countedFor(jim)).toBe(1);
    // A budget of the whole service refuses before anything is sent, though by the same class of errors.
    const limit = { limit: 'sends-in-total', retryAfterSeconds: 60 } as const;
    requests.mockRejectedValueOnce(new TwoFactorUnavailableError('Used up.', limit));
    expectStatus(await jim.request(CODE), 503);
    requests.mockRestore();
    expect(await countedFor(jim)).toBe(1);
    expectStatus(await jim.request({ ...CODE, token: 'me@bank.example' }), 400);
    expect(await countedFor(jim)).toBe(1);
  });

  it('is asked to sign in when the session was ended before its code was counted', async () => {
    const counts = bank.app.get(CodeCountService, { strict: false });
    const ended = { id: randomUUID() } as Session;
    await expect(counts.count(ended)).rejects.toMatchObject({ status: 401 });
  });

  it('confirms by an app as often as before, because that sends no code', async () => {
    const eva = await signedIn('eva');
    const { id: subject } = await bank.dataSource
      .getRepository(User)
      .findOneByOrFail({ email: eva.email });
    const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
    await bank.app
      .get(FactorService, { strict: false })
      .import({ subject, method: 'totp', secret });

    for (let index = 0; index < 11; index += 1) {
      const asked = await eva.request({ purpose: 'transfer', details: TEN_FIFTY });
      expect(asked).toMatchObject({ status: 200, body: { method: 'totp' } });
    }
    expectStatus(await eva.request(CODE), 200);
  });
});
