import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  FailureLimitService,
  TooManyFailures,
} from '../../sample-app/src/passwords/failure-limit.service.js';
import { PartyRate, TooOftenError } from '../../sample-app/src/passwords/party-rate.js';
import { PasswordHash } from '../../sample-app/src/passwords/password-hash.js';
import { PasswordService } from '../../sample-app/src/passwords/password.service.js';
import { QueueFullError, WorkQueue } from '../../sample-app/src/passwords/work-queue.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, PASSWORD, type Answer } from '../support/customer.js';

const CLIENTS = 300;
/** The password of the flood, by which its computations are told from a customer's. */
const FLOOD = 'password of the flood';

/**
 * Holds every scrypt computation of the flood until it is released. What the flood costs is then a matter of counts: how
 * many computations run at once, how many requests wait, and how many were refused, however fast the machine is.
 */
class Gate {
  running = 0;
  most = 0;
  computed = 0;
  #open = false;
  #waiting: (() => void)[] = [];

  constructor(hash: PasswordHash) {
    const derive = hash.derive.bind(hash);
    vi.spyOn(hash, 'derive').mockImplementation(async (password, salt) => {
      if (password !== FLOOD) return derive(password, salt);
      this.running += 1;
      this.computed += 1;
      this.most = Math.max(this.most, this.running);
      if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.running -= 1;
      return Buffer.alloc(32, 1);
    });
  }

  release(): void {
    this.#open = true;
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

let bank: Bank;
let ann: Customer;
let gate: Gate;

beforeAll(async () => {
  bank = await startBank({ environment: { TRUST_PROXY: '1' } });
  ann = await new Customer(bank.url, 'ann@bank.example').signUp();
  await ann.signIn();
});

beforeEach(() => {
  gate = new Gate(bank.app.get(PasswordHash, { strict: false }));
});

afterEach(() => {
  gate.release();
  vi.restoreAllMocks();
});

afterAll(async () => {
  await bank?.close();
});

/** Parallel sign-ins for as many accounts, each from an address of its own. */
function flood(addressOf: (index: number) => string): { answers: Answer[]; all: Promise<unknown> } {
  const answers: Answer[] = [];
  const all = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = new Customer(bank.url, `${crypto.randomUUID()}@bank.example`, FLOOD, {
      'x-forwarded-for': addressOf(index),
    });
    answers.push(await client.givePassword());
  });
  return { answers, all: Promise.all(all) };
}

const ownAddress = (index: number): string => `198.51.${index >> 8}.${index & 255}`;
const rows = async (): Promise<number> =>
  (await bank.dataSource.query<unknown[]>('SELECT * FROM bank_failure_count')).length;

describe('Three hundred anonymous sign-ins at once', () => {
  it('compute two passwords at once, keep sixteen waiting, and refuse the others', async () => {
    const rowsBefore = await rows();
    const { answers, all } = flood(ownAddress);
    await vi.waitFor(() => expect(answers).toHaveLength(CLIENTS - 18), { timeout: 100_000 });

    expect(gate).toMatchObject({ running: 2, most: 2, computed: 2 });
    for (const { status, headers, body } of answers) {
      expect({ status, body }).toMatchObject({
        status: 503,
        body: { error: 'busy', retryAfter: 5 },
      });
      expect(headers.get('retry-after')).toBe('5');
    }
    // Only the two that run were counted: three rows each. A refused request costs no row.
    expect((await rows()) - rowsBefore).toBe(6);

    // Meanwhile a customer who is signed in changes the password: strangers have no place of hers.
    const body = { password: PASSWORD, newPassword: 'another horse battery' };
    const proof = await ann.prove({ purpose: 'change-password', way: 'email' }, ann.email);
    expectStatus(await ann.with('PUT', '/api/v1/me/password', body, proof), 204);
    expect(gate.computed).toBe(2);

    gate.release();
    await all;
    expect(gate).toMatchObject({ running: 0, most: 2, computed: 18 });
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(18);
  });

  it('take four places when they come from one address, and leave the others to other clients', async () => {
    const { answers, all } = flood(() => '203.0.113.1');
    await vi.waitFor(() => expect(answers).toHaveLength(CLIENTS - 4), { timeout: 100_000 });
    expect(answers.every(({ status }) => status === 503)).toBe(true);
    expect(gate.computed).toBe(2);

    const other = new Customer(bank.url, 'other@bank.example', FLOOD, {
      'x-forwarded-for': '203.0.113.2',
    });
    const answer = other.givePassword();
    gate.release();
    await all;
    expectStatus(await answer, 401);
    expect(gate).toMatchObject({ most: 2, computed: 5 });
  });

  it('would compute three hundred at once without the queue: the naive twin is found out', async () => {
    const get = <T>(type: new (...args: never[]) => T): T => bank.app.get(type, { strict: false });
    const hash = get(PasswordHash);
    vi.spyOn(get(PasswordService), 'enqueue').mockImplementation((_, work) => work(hash));
    vi.spyOn(get(FailureLimitService), 'guard').mockImplementation((_, compare) => compare());
    const { answers, all } = flood((index) => `198.18.${index >> 8}.${index & 255}`);
    await vi.waitFor(() => expect(gate.running).toBe(CLIENTS), { timeout: 100_000 });

    expect(answers).toEqual([]);
    gate.release();
    await all;
  });
});

describe('A client with an account of its own', () => {
  it('begins sixty computations in ten minutes by right passwords, and then takes no place from others', async () => {
    const [own, other] = ['203.0.113.5', '203.0.113.6'].map(
      (address) =>
        new Customer(bank.url, 'eve@bank.example', PASSWORD, { 'x-forwarded-for': address }),
    );
    await other!.signUp();
    const derived = vi.spyOn(bank.app.get(PasswordHash, { strict: false }), 'derive');
    derived.mockClear();
    for (let index = 0; index < 60; index += 1) expectStatus(await own!.givePassword(), 204);
    expect(derived).toHaveBeenCalledTimes(60);

    const counted = vi.spyOn(bank.app.get(FailureLimitService, { strict: false }), 'guard');
    const refused = await own!.givePassword();

    expect(refused).toMatchObject({ status: 429, body: { error: 'too-many-passwords' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(300);
    // Neither a computation, nor a statement, during which it would hold a place.
    expect(derived).toHaveBeenCalledTimes(60);
    expect(counted).not.toHaveBeenCalled();
    expectStatus(await other!.givePassword(), 204);
  });
});

describe('A client that the limit of wrong passwords refuses', () => {
  it('uses up no computations of those who share its address', async () => {
    const client = (email: string): Customer =>
      new Customer(bank.url, email, PASSWORD, { 'x-forwarded-for': '203.0.113.7' });
    const shared = await client('gil@bank.example').signUp();
    for (let index = 0; index < 30; index += 1) {
      expectStatus(await client(`${index}@bank.example`).givePassword(), 401);
    }
    for (let index = 0; index < 40; index += 1) {
      const answer = await client('another@bank.example').givePassword();
      expect(answer).toMatchObject({ status: 429, body: { error: 'too-many-failures' } });
    }

    await bank.dataSource.query('DELETE FROM bank_failure_count');
    expectStatus(await shared.givePassword(), 204);
  });

  it('takes no place from others when it has tried six hundred times in ten minutes', async () => {
    const address = '203.0.113.8';
    const passwords = bank.app.get(PasswordService, { strict: false });
    const counted = vi.spyOn(bank.app.get(FailureLimitService, { strict: false }), 'guard');
    const locked = (): Promise<never> => Promise.reject(new TooManyFailures(900));
    for (let index = 0; index < 600; index += 1) {
      const tried = passwords.enqueue({ kind: 'stranger', address }, locked);
      await expect(tried).rejects.toThrow(TooManyFailures);
    }

    const client = new Customer(bank.url, 'ida@bank.example', PASSWORD, {
      'x-forwarded-for': address,
    });
    const refused = await client.givePassword();

    expect(refused).toMatchObject({ status: 429, body: { error: 'too-many-passwords' } });
    // No statement, during which it would hold a place.
    expect(counted).not.toHaveBeenCalled();
  });
});

describe('The rate limit of a client', () => {
  it('does not depend on the time of day, which may be set back', () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const time = vi.spyOn(Date, 'now').mockReturnValue(3_600_000);
    const rate = new PartyRate({ max: 1, tries: 9, perSeconds: 600 });
    rate.count('a');
    time.mockReturnValue(0);
    rate.count('b');
    vi.spyOn(performance, 'now').mockReturnValue(600_000);
    time.mockReturnValue(600_000);
    rate.count('a');
    rate.count('b');
    expect(() => rate.count('b')).toThrow(TooOftenError);
  });

  it('counts a refunded call as a try only, and limits the tries too', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    const rate = new PartyRate({ max: 1, tries: 3, perSeconds: 600 });
    for (let index = 0; index < 3; index += 1) {
      rate.count('a');
      rate.uncount('a');
    }
    expect(() => rate.count('a')).toThrow(TooOftenError);
    rate.count('b');
    clock.mockReturnValue(600_000);
    rate.count('a');
  });

  it('counts no call that was refunded', () => {
    const rate = new PartyRate({ max: 1, tries: 9, perSeconds: 600 });
    rate.uncount('a');
    rate.count('a');
    expect(() => rate.count('a')).toThrow(TooOftenError);
    rate.uncount('a');
    rate.count('a');
    expect(() => rate.count('a')).toThrow(TooOftenError);
  });

  it('begins anew when its period is over, and never before', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    const rate = new PartyRate({ max: 2, tries: 9, perSeconds: 600 });
    rate.count('a');
    clock.mockReturnValue(599_000);
    rate.count('a');
    rate.count('b');
    expect(() => rate.count('a')).toThrow(TooOftenError);
    clock.mockReturnValue(600_000);
    rate.count('a');
    rate.count('a');
    expect(() => rate.count('a')).toThrow(TooOftenError);
    // The period of b began later.
    rate.count('b');
    expect(() => rate.count('b')).toThrow(TooOftenError);
  });
});

describe('The queue of password computations', () => {
  /** Work that ends when the test ends it. */
  const held = (): { work: () => Promise<string>; end: (error?: Error) => void } => {
    let end: (error?: Error) => void = () => undefined;
    const promise = new Promise<string>((resolve, reject) => {
      end = (error) => (error ? reject(error) : resolve('done'));
    });
    return { work: () => promise, end: (error) => end(error) };
  };

  it('takes no more calls of one client than it allows, and takes further calls of the client when those have ended', async () => {
    const queue = new WorkQueue({ atOnce: 1, waiting: 9, perParty: 1 });
    const one = held();
    const first = queue.run('a', one.work);
    await expect(queue.run('a', async () => 'never')).rejects.toThrow(QueueFullError);
    const other = queue.run('b', async () => 'b');
    one.end();
    expect([await first, await other]).toEqual(['done', 'b']);
    expect(await queue.run('a', async () => 'again')).toBe('again');
  });

  it('runs the call that waited longest first, and frees the place when a call fails', async () => {
    const queue = new WorkQueue({ atOnce: 1, waiting: 2, perParty: 3 });
    const run = <T>(work: () => Promise<T>): Promise<T> => queue.run('a', work);
    const [one, two] = [held(), held()];
    const order: string[] = [];
    const first = run(one.work).catch(() => 'failed');
    const second = run(() => {
      order.push('second');
      return two.work();
    });
    const third = run(async () => order.push('third'));
    await expect(queue.run('b', async () => 'never')).rejects.toThrow(QueueFullError);

    one.end(new Error('broken'));
    expect(await first).toBe('failed');
    await vi.waitFor(() => expect(order).toEqual(['second']), { timeout: 60_000 });
    two.end();
    expect(await second).toBe('done');
    await third;
    expect(order).toEqual(['second', 'third']);
    expect(await run(async () => 'free again')).toBe('free again');
  });
});
