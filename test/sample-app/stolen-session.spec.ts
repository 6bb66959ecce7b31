import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { PasswordHash } from '../../sample-app/src/passwords/password-hash.js';
import { PasswordService } from '../../sample-app/src/passwords/password.service.js';
import { DeviceService } from '../../sample-app/src/sessions/device.service.js';
import { SessionService } from '../../sample-app/src/sessions/session.service.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, PASSWORD, TWO_FACTOR, type Answer } from '../support/customer.js';
import { servers } from '../support/engines.js';

const ANNS_PHONE = '+4915112345678';
const THIEFS_PHONE = '+4915199999999';

/** A promise and the function that settles it. */
function signal(): [isGiven: Promise<void>, give: () => void] {
  let give!: () => void;
  const isGiven = new Promise<void>((resolve) => {
    give = resolve;
  });
  return [isGiven, give];
}

/** A thief has a copy of the session cookie, and in some tests codes or the password as well. */
describe.each(['sqljs', ...servers] as const)('A stolen session on %s', (engine) => {
  let bank: Bank;

  beforeAll(async () => {
    bank = await startBank({ engine });
  });

  afterAll(() => bank?.close());

  const signedIn = async (name: string): Promise<Customer> =>
    (await new Customer(bank.url, `${name}@bank.example`).signUp()).signIn();

  const putPhone = (
    thief: Customer,
    body: { phone: string; password: string; phoneConfirmationId: string },
    proof: string,
  ): Promise<Answer> => thief.with('PUT', '/api/v1/me/phone', body, proof);

  it('does not change the phone number with a proof of the thief’s own phone', async () => {
    const ann = await signedIn('ann');
    await ann.changePhone(ANNS_PHONE);
    const thief = ann.stolen();
    const details = { phone: THIEFS_PHONE };
    const newPhone = { purpose: 'new-phone', way: 'sms', token: THIEFS_PHONE };
    const own = await thief.prove(newPhone, THIEFS_PHONE);
    const body = { ...details, password: PASSWORD, phoneConfirmationId: own };

    expectStatus(await thief.call('PUT', '/api/v1/me/phone', body), 403);
    expectStatus(await putPhone(thief, body, own), 403);
    // The code that agrees to the change goes to a contact that was there before.
    const sent = (await thief.messages(THIEFS_PHONE)).length;
    const agree = { purpose: 'change-phone', details };
    expectStatus(await thief.request({ ...agree, way: 'sms', token: THIEFS_PHONE }), 400);
    expect(await thief.request({ ...agree, way: 'sms' })).toMatchObject({
      status: 200,
      body: { maskedToken: expect.stringMatching(/78$/) },
    });
    expect(await thief.messages(THIEFS_PHONE)).toHaveLength(sent);
    expect((await ann.call('GET', '/api/v1/me')).body).toMatchObject({ phone: ANNS_PHONE });
  });

  it('does not change a phone with a proof that agrees to another number', async () => {
    const eva = await signedIn('eva');
    const { agreed } = await eva.provePhone('+4915122222222');
    const details = { phone: THIEFS_PHONE };
    const newPhone = { purpose: 'new-phone', way: 'sms', token: THIEFS_PHONE };
    const held = await eva.prove(newPhone, THIEFS_PHONE);

    const body = { ...details, password: PASSWORD, phoneConfirmationId: held };
    expect(await putPhone(eva, body, agreed)).toMatchObject({ status: 403 });
  });

  it('guesses five passwords, however many proofs it has and however many guesses run at once', async () => {
    const bea = await signedIn('bea');
    const thief = bea.stolen();
    const compared = vi.spyOn(bank.app.get(PasswordHash), 'matches');
    const phone = '+4915133333333';
    const proofs: { agreed: string; held: string }[] = [];
    for (let index = 0; index < 4; index += 1) proofs.push(await thief.provePhone(phone));
    const guess = (index: number, password = `guess number ${index}`): Promise<Answer> => {
      const { agreed, held } = proofs[index % proofs.length]!;
      return putPhone(thief, { phone, password, phoneConfirmationId: held }, agreed);
    };

    compared.mockClear();
    const answers: Answer[] = [];
    for (let index = 0; index < 8; index += 2) {
      answers.push(...(await Promise.all([guess(index), guess(index + 1)])));
    }
    // At once, one call for each proof is begun, and two computations for each customer.
    const crowd = await Promise.all(Array.from({ length: 8 }, (_, index) => guess(index)));
    expect(crowd.filter(({ status }) => status < 400 || status === 401)).toEqual([]);
    expect(answers.map(({ status }) => status).filter((status) => status === 401)).toHaveLength(5);
    expect(compared).toHaveBeenCalledTimes(5);

    // Neither another proof nor another route brings more guesses, and a right one is not told from a wrong one.
    const password = await thief.prove({ purpose: 'change-password', way: 'email' }, bea.email);
    const body = { password: PASSWORD, newPassword: 'the password of the thief' };
    const right = [
      await guess(0, PASSWORD),
      await guess(1, PASSWORD),
      await thief.with('PUT', '/api/v1/me/password', body, password),
    ];
    for (const answer of right) {
      expect(answer).toMatchObject({ status: 429, body: { error: 'too-many-failures' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(800);
    }
    expect(compared).toHaveBeenCalledTimes(5);
    compared.mockRestore();
    // The owner signs in all the same: these failures are counted apart.
    await new Customer(bank.url, bea.email).signIn();
  });

  it('ends with every change, and so does the token that was stolen', async () => {
    const cleo = await signedIn('cleo');
    const other = await new Customer(bank.url, cleo.email).signIn();
    const halfSignedIn = new Customer(bank.url, cleo.email);
    expectStatus(await halfSignedIn.givePassword(), 204);
    const beforePhone = cleo.stolen();

    await cleo.changePhone('+4915144444444');

    expect(await cleo.isSignedIn()).toBe(true);
    expect(await beforePhone.isSignedIn()).toBe(false);
    expect(await other.isSignedIn()).toBe(false);
    expectStatus(await halfSignedIn.request({ purpose: 'login', way: 'email' }), 403);

    const beforePassword = cleo.stolen();
    const body = { password: PASSWORD, newPassword: 'another horse battery' };
    const proof = await cleo.prove({ purpose: 'change-password', way: 'email' }, cleo.email);
    expectStatus(await cleo.with('PUT', '/api/v1/me/password', body, proof), 204);

    expect(await cleo.isSignedIn()).toBe(true);
    expect(await beforePassword.isSignedIn()).toBe(false);
  });

  it('keeps all sessions when a change fails', async () => {
    const dora = await signedIn('dora');
    const { agreed, held } = await dora.provePhone('+4915155555555');
    const body = { phone: '+4915155555555', password: 'wrong', phoneConfirmationId: held };

    expectStatus(await putPhone(dora, body, agreed), 401);

    expect(await dora.isSignedIn()).toBe(true);
    expect(await bank.dataSource.query('SELECT * FROM bank_notice')).toEqual([]);
  });

  const ownSession = async (customer: Customer): Promise<string> => {
    const { body } = await customer.call('GET', '/api/v1/sessions');
    const sessions = body as unknown as { id: string; isCurrent: boolean }[];
    return sessions.find(({ isCurrent }) => isCurrent)!.id;
  };

  it('opens nothing after half an hour without use, and nothing after eight hours', async () => {
    const fay = await signedIn('fay');
    const idle = await new Customer(bank.url, fay.email).signIn();
    const setTime = async (column: string, minutes: number, session: Customer): Promise<void> => {
      const id = await ownSession(session);
      const at = Date.now() + minutes * 60_000;
      await bank.dataSource.query(`UPDATE bank_session SET ${column} = ${at} WHERE id = '${id}'`);
    };

    await setTime('last_used_at', -29, idle);
    expect(await idle.isSignedIn()).toBe(true);
    await setTime('last_used_at', -31, idle);
    expect(await idle.isSignedIn()).toBe(false);
    await setTime('expires_at', -1, fay);
    expect(await fay.isSignedIn()).toBe(false);
  });

  /** Holds the next call of a method before or after its work, until the test releases it. */
  function holdNext(
    target: object,
    name: string,
    when: 'before' | 'after',
  ): { readonly isReached: Promise<void>; readonly release: () => void } {
    const methods = target as Record<string, (...given: unknown[]) => Promise<unknown>>;
    const original = methods[name]!.bind(target);
    const [isReached, reach] = signal();
    const [isReleased, release] = signal();
    vi.spyOn(methods, name).mockImplementationOnce(async (...given) => {
      const early = when === 'after' ? await original(...given) : undefined;
      reach();
      await isReleased;
      return when === 'after' ? early : original(...given);
    });
    return { isReached, release };
  }

  const changePassword = async (owner: Customer): Promise<() => Promise<Answer>> => {
    const proof = await owner.prove({ purpose: 'change-password', way: 'email' }, owner.email);
    const body = { password: PASSWORD, newPassword: 'another horse battery' };
    return () => owner.with('PUT', '/api/v1/me/password', body, proof);
  };

  it('begins no sign-in by a password that the owner changed while it was compared', async () => {
    const ivy = await signedIn('ivy');
    const change = await changePassword(ivy);
    const thief = new Customer(bank.url, ivy.email);
    const comparison = holdNext(bank.app.get(PasswordHash, { strict: false }), 'matches', 'after');
    const late = thief.givePassword(PASSWORD);
    await comparison.isReached;

    expectStatus(await change(), 204);
    comparison.release();

    expect(await late).toMatchObject({ status: 401 });
    expectStatus(await thief.request({ purpose: 'login', way: 'email' }), 403);
  });

  /** A thief with the password and an agreement, whose change of the number waits behind the comparison of the password. */
  async function waitingChange(
    owner: Customer,
  ): Promise<{ readonly thief: Customer; readonly finish: () => Promise<Answer> }> {
    const thief = owner.stolen();
    const { agreed, held } = await thief.provePhone(THIEFS_PHONE);
    const comparison = holdNext(
      bank.app.get(PasswordService, { strict: false }),
      'enqueue',
      'after',
    );
    const body = { phone: THIEFS_PHONE, password: PASSWORD, phoneConfirmationId: held };
    const late = putPhone(thief, body, agreed);
    await comparison.isReached;
    return {
      thief,
      finish: () => {
        comparison.release();
        return late;
      },
    };
  }

  async function expectOwnersOwn(owner: Customer, thief: Customer): Promise<void> {
    expect(await owner.isSignedIn()).toBe(true);
    expect(await thief.isSignedIn()).toBe(false);
    expect((await owner.call('GET', '/api/v1/me')).body).toMatchObject({ phone: null });
  }

  it('does not change the phone number when the owner changed the password meanwhile', async () => {
    const kim = await signedIn('kim');
    const change = await changePassword(kim);
    const { thief, finish } = await waitingChange(kim);

    expectStatus(await change(), 204);

    expect(await finish()).toMatchObject({ status: 409, body: { error: 'changed-meanwhile' } });
    await expectOwnersOwn(kim, thief);
  });

  it('does not change the phone number when the owner signed it out meanwhile', async () => {
    const lea = await signedIn('lea');
    const { thief, finish } = await waitingChange(lea);
    const owner = await new Customer(bank.url, lea.email).signIn();

    expectStatus(await owner.call('DELETE', '/api/v1/sessions/others'), 200);

    expect(await finish()).toMatchObject({ status: 401, body: { error: 'sign-in-required' } });
    await expectOwnersOwn(owner, thief);
  });

  /** A request of a thief that ends sessions, and waits behind the guard, which has let it in. */
  async function waitingEnd(
    owner: Customer,
    ends: 'others' | 'one',
    ended: Customer,
  ): Promise<{ readonly thief: Customer; readonly finish: () => Promise<Answer> }> {
    const thief = owner.stolen();
    const path = ends === 'others' ? ends : await ownSession(ended);
    const sessions = bank.app.get(SessionService, { strict: false });
    const held = holdNext(sessions, ends === 'others' ? 'endOthers' : 'end', 'before');
    const late = thief.call('DELETE', `/api/v1/sessions/${path}`);
    await held.isReached;
    return {
      thief,
      finish: () => {
        held.release();
        return late;
      },
    };
  }

  it('ends no session of the owner who changed the password meanwhile', async () => {
    const mia = await signedIn('mia');
    const change = await changePassword(mia);
    const { thief, finish } = await waitingEnd(mia, 'others', mia);

    expectStatus(await change(), 204);

    expect(await finish()).toMatchObject({ status: 401, body: { error: 'sign-in-required' } });
    await expectOwnersOwn(mia, thief);
  });

  it.each(['others', 'one'] as const)(
    'ends no session of the owner who signed it out meanwhile, by DELETE of %s',
    async (ends) => {
      const nora = await signedIn(`nora-${ends}`);
      const owner = await new Customer(bank.url, nora.email).signIn();
      const { thief, finish } = await waitingEnd(nora, ends, owner);

      expectStatus(await owner.call('DELETE', '/api/v1/sessions/others'), 200);

      expect(await finish()).toMatchObject({ status: 401, body: { error: 'sign-in-required' } });
      await expectOwnersOwn(owner, thief);
    },
  );

  it('neither survives nor prevents a change of the password while the thief is being remembered', async () => {
    const jan = await signedIn('jan');
    const change = await changePassword(jan);
    const thief = new Customer(bank.url, jan.email);
    expectStatus(await thief.givePassword(PASSWORD), 204);
    const login = await thief.prove({ purpose: 'login', way: 'email' }, jan.email);
    const remembering = holdNext(
      bank.app.get(DeviceService, { strict: false }),
      'remember',
      'before',
    );
    const signIn = thief.with('POST', '/api/v1/sessions', { remember: true }, login);
    await remembering.isReached;
    const changed = change();
    // Until the change waits for what the sign-in has locked.
    await sleep(500);
    remembering.release();

    expectStatus(await changed, 204);
    await signIn;
    expect(await thief.isSignedIn()).toBe(false);
    const listed = await jan.call('POST', `${TWO_FACTOR}/factors/list`, {});
    expect(listed.body['factors']).toEqual([]);
  });
});
