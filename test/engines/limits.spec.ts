import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitRecord,
  LimitService,
  TwoFactorEvents,
  TwoFactorRecipientError,
  type ConfirmationState,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { secretOf } from '../support/secret.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const DAY_SECONDS = 86_400;

describe.each(engines)('Limits on %s', (engine) => {
  let test: TestApp;
  let limits: LimitService;
  let next = 0;

  /** Somebody whom no other test knows. */
  const somebody = (): string => `user${(next += 1)}@example.com`;
  const make = async (token: string, subject?: string): Promise<ConfirmationState> =>
    test.confirmer.makeConfirmation({ token, subject });
  const guess = async (state: ConfirmationState, times: number): Promise<number> => {
    let compared = 0;
    for (let each = 0; each < times; each += 1) {
      const before = (await test.confirmer.check(state.id))[0]!.attemptsLeft;
      await refusal(test.confirmer.confirm(state.id, WRONG_CODE));
      compared += before - (await test.confirmer.check(state.id))[0]!.attemptsLeft;
    }
    return compared;
  };

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
    limits = test.app.get(LimitService, { strict: false });
  });
  afterAll(() => test.close());

  it('locks a token for 30 seconds with the tenth wrong code, whatever confirmation it was for', async () => {
    const token = somebody();
    const [one, two, three] = [await make(token), await make(token), await make(token)];

    expect(await guess(one, 5)).toBe(5);
    expect(await guess(two, 4)).toBe(4);
    expect(await limits.failures({ token })).toEqual({
      count: 9,
      lockedUntil: null,
      isPermanentlyLocked: false,
    });
    expect(await guess(three, 1)).toBe(1);
    expect(await limits.failures({ token })).toMatchObject({
      count: 10,
      isPermanentlyLocked: false,
    });

    const locked = [429, 'token-failures', 30];
    expect(await refusal(test.confirmer.confirm(three.id, three.code!))).toEqual(locked);
    expect(await refusal(make(token))).toEqual(locked);
    expect(await refusal(test.twoFactor.request({ token }))).toEqual(locked);
    expect((await test.confirmer.check(three.id))[0]?.attemptsLeft).toBe(4);
    test.clock.advance(29.5);
    expect(await refusal(test.confirmer.confirm(three.id, three.code!))).toEqual([
      429,
      'token-failures',
      1,
    ]);
    test.clock.advance(0.5);
    expect((await test.confirmer.confirm(three.id, three.code!))[1]).toBe(true);
    expect(await limits.failures({ token })).toEqual({
      count: 0,
      lockedUntil: null,
      isPermanentlyLocked: false,
    });
  });

  it('doubles the lock up to an hour, and stops at the hundredth wrong code until it is reset', async () => {
    const token = somebody();
    const waits: (number | null)[] = [];
    let state = await make(token);
    for (let failure = 1; failure <= 100; failure += 1) {
      if ((await test.confirmer.check(state.id))[0]?.status !== 'pending') {
        test.clock.advance(600);
        state = await make(token);
      }
      const [, confirmed] = await test.confirmer.confirm(state.id, WRONG_CODE);
      expect(confirmed).toBe(false);
      if (failure < 10) continue;
      const { lockedUntil } = await limits.failures({ token });
      const wait = lockedUntil && (lockedUntil.getTime() - test.clock.now()) / 1_000;
      waits.push(wait);
      if (wait) test.clock.advance(wait);
    }

    expect(waits.slice(0, 9)).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(new Set(waits.slice(8, -1))).toEqual(new Set([3600]));
    expect(waits.at(-1)).toBeNull();
    test.clock.advance(10 * DAY_SECONDS);
    await test.confirmer.purge();
    expect(await refusal(make(token))).toEqual([429, 'token-failures', null]);
    expect(await limits.failures({ token })).toEqual({
      count: 100,
      lockedUntil: null,
      isPermanentlyLocked: true,
    });

    await limits.reset({ token });

    expect(await refusal(make(token))).toBe('accepted');
  });

  it('counts the failures of a subject over all its tokens, and those of a token over all its subjects', async () => {
    const subject = somebody();
    const [phone, mailbox] = [somebody(), somebody()];
    await guess(await make(phone, subject), 5);
    await guess(await make(mailbox, subject), 5);

    expect(await refusal(make(somebody(), subject))).toEqual([429, 'subject-failures', 30]);
    expect(await refusal(make(phone, somebody()))).toBe('accepted');
    expect(await limits.failures({ subject })).toMatchObject({ count: 10 });

    test.clock.advance(30);
    const right = await make(phone, subject);
    expect((await test.confirmer.confirm(right.id, right.code!))[1]).toBe(true);
    expect(await limits.failures({ subject })).toMatchObject({ count: 0 });
    expect(await limits.failures({ token: phone })).toMatchObject({ count: 0 });
    // A success by the phone says nothing about the mailbox.
    expect(await limits.failures({ token: mailbox })).toMatchObject({ count: 5 });
  });

  it('keeps at most three confirmations of a subject and purpose alive', async () => {
    const subject = somebody();
    const token = somebody();
    const login = { token, subject, purpose: 'login' };
    const first = await test.confirmer.makeConfirmation(login);
    test.clock.advance(60);
    const second = await test.confirmer.makeConfirmation(login);
    const third = await test.confirmer.makeConfirmation(login);

    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 540]);
    const elsewhere = { token, subject, purpose: 'transfer' };
    expect(await refusal(test.confirmer.makeConfirmation(elsewhere))).toBe('accepted');

    // Confirmed by the code, by hand, cancelled, expired: each frees its own place.
    await test.confirmer.confirm(second.id, second.code!);
    const fourth = await test.confirmer.makeConfirmation(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 540]);
    await third.confirm();
    const fifth = await test.confirmer.makeConfirmation(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 540]);
    await test.confirmer.cancel(fourth.id);
    await test.confirmer.makeConfirmation(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 540]);
    test.clock.advance(540);
    expect((await test.confirmer.check(first.id))[0]?.status).toBe('expired');
    expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 60]);
    expect((await test.confirmer.check(fifth.id))[0]?.status).toBe('pending');
  });

  it('sends five messages an hour and ten a day to one token, over all its spellings', async () => {
    const name = somebody().split('@')[0]!;
    const spellings = [
      `${name}@xn--bcher-kva.example`,
      `${name}@bücher.example`,
      `${name}@BÜCHER.example`,
      `${name.toUpperCase()}@bücher.example.`,
    ];
    const sent = test.outbox.deliveries.length;
    const send = async (index: number): Promise<unknown> => {
      const state = await test.confirmer.makeConfirmation();
      return refusal(
        test.sender.send(null, spellings[index % spellings.length]!, state).then(() => undefined),
      );
    };

    for (let index = 0; index < 5; index += 1) expect(await send(index)).toBe('accepted');
    test.clock.advance(600);
    expect(await send(1)).toEqual([429, 'sends-per-token', 3_000]);
    test.clock.advance(3_000);
    for (let index = 0; index < 5; index += 1) expect(await send(index)).toBe('accepted');
    expect(await send(2)).toEqual([429, 'sends-per-token', DAY_SECONDS - 3_600]);
    expect(test.outbox.deliveries.length - sent).toBe(10);
  });

  it('counts a resend, and gives back what is refused for another reason', async () => {
    const token = somebody();
    const { id } = await test.twoFactor.request({ token });

    expect(await refusal(test.twoFactor.resend(id))).toEqual([429, 'cooldown', 30]);
    for (const pause of [30, 60, 120, 300]) {
      test.clock.advance(pause);
      await test.twoFactor.resend(id);
    }
    test.clock.advance(300);
    expect(await refusal(test.twoFactor.request({ token }))).toEqual([
      429,
      'sends-per-token',
      expect.any(Number),
    ]);
  });

  it('counts who starts it, by the network where that is an IPv6 address', async () => {
    const requesters = ['2001:db8:1:2::1', '2001:0DB8:1:2:ffff::9'];
    const request = async (requester: string): Promise<unknown> =>
      refusal(test.twoFactor.request({ token: somebody(), requester }));

    for (let index = 0; index < 10; index += 1) {
      expect(await request(requesters[index % 2]!)).toBe('accepted');
    }
    expect(await request('2001:db8:1:2:3:4:5:6')).toEqual([429, 'sends-per-requester', 3_600]);
    expect(await request('2001:db8:1:3::1')).toBe('accepted');
  });

  it('charges a repeated request and one that cannot be made nothing', async () => {
    const subject = somebody();
    const token = somebody();
    const input = { token, subject, purpose: 'login', key: `key-of-${subject}-0001` };
    for (let time = 0; time < 8; time += 1) await test.twoFactor.request(input);

    const failing = { ...input, key: undefined, details: 5n as never };
    await expect(test.twoFactor.request(failing)).rejects.toThrow('details');

    const rows = await test.dataSource.getRepository(LimitRecord).find();
    expect(test.outbox.deliveries.filter((delivery) => delivery.token === token)).toHaveLength(1);
    for (const again of [1, 2])
      await test.twoFactor.request({ ...input, key: `${input.key}-${again}` });
    expect(await refusal(test.twoFactor.request({ token, subject, purpose: 'login' }))).toEqual([
      429,
      'pending',
      600,
    ]);
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('answers a repeated request with what it made, also when nothing is left for another one', async () => {
    const login = { token: somebody(), subject: somebody(), purpose: 'login' };
    const keyed = { ...login, key: `key-of-${login.subject}-0001` };
    const { id } = await test.twoFactor.request(keyed);
    await test.twoFactor.request(login);
    const { state } = await test.twoFactor.request(login);
    expect(await refusal(test.twoFactor.request(login))).toEqual([429, 'pending', 600]);

    expect((await test.twoFactor.request(keyed)).id).toBe(id);
    for (const other of [state, (await test.confirmer.check(id))[0]!]) await guess(other, 5);
    expect(await refusal(test.twoFactor.request(login))).toEqual([429, 'subject-failures', 30]);
    expect((await test.confirmer.makeConfirmation(keyed)).id).toBe(id);
  });

  it('keeps the place of a confirmation whose first message another caller has sent', async () => {
    const login = { token: somebody(), subject: somebody(), purpose: 'login' };
    const keyed = { ...login, key: `key-of-${login.subject}-0001` };
    const sent = test.outbox.deliveries.length;
    await Promise.all(Array.from({ length: 8 }, () => test.twoFactor.request(keyed)));
    expect(test.outbox.deliveries.length - sent).toBe(1);

    for (let time = 0; time < 2; time += 1) await test.twoFactor.request(login);
    expect(await refusal(test.twoFactor.request(login))).toEqual([429, 'pending', 600]);
    await test.confirmer.cancel(test.outbox.deliveries.at(-1)!.state.id);
    // Of the five messages an hour three are spent: those that lost the race cost nothing.
    for (let time = 0; time < 2; time += 1) {
      const { id } = await test.twoFactor.request(login);
      await test.confirmer.cancel(id);
    }
    expect(await refusal(test.twoFactor.request(login))).toEqual([429, 'sends-per-token', 3_600]);
  });

  it('lets the application confirm by hand whoever is locked', async () => {
    const subject = somebody();
    for (const token of [somebody(), somebody()]) await guess(await make(token, subject), 5);
    expect(await refusal(make(somebody(), subject))).toEqual([429, 'subject-failures', 30]);

    const byHand = await test.confirmer.makeConfirmation({ subject, isConfirmed: true });
    expect(await test.confirmer.use(byHand, { subject })).toBe(true);
  });

  it('takes no place in a transaction of the application, and refuses there who is locked', async () => {
    const login = { token: somebody(), subject: somebody(), purpose: 'login' };
    const inTransaction = async (): Promise<ConfirmationState> =>
      test.dataSource.transaction((manager) =>
        test.confirmer.makeConfirmation({ ...login, manager }),
      );
    const made: ConfirmationState[] = [];
    for (let time = 0; time < 4; time += 1) made.push(await inTransaction());
    expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');

    await guess(made[0]!, 5);
    await guess(made[1]!, 5);
    expect(await refusal(inTransaction())).toEqual([429, 'subject-failures', 30]);
  });

  it('frees the place of what nobody can confirm any more', async () => {
    const login = { token: somebody(), subject: somebody(), purpose: 'login' };
    for (const _ of [1, 2, 3]) {
      test.outbox.failNext(new TwoFactorRecipientError('no such mailbox'));
      await expect(test.twoFactor.request(login)).rejects.toThrow(TwoFactorRecipientError);
    }
    const state = await test.confirmer.makeConfirmation(login);
    await test.confirmer.makeConfirmation(login);
    await test.confirmer.makeConfirmation(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 600]);

    await guess(state, 5);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');
  });

  it('gives a place back with its whole life before it', async () => {
    const login = { subject: somebody(), purpose: 'login' };
    for (const _ of [1, 2]) await test.confirmer.makeConfirmation(login);
    const key = `key-of-${login.subject}-0001`;
    const keyed = { ...login, key };
    // Two at once under one key: the loser takes a place and gives it back.
    await Promise.all([1, 2].map(() => test.confirmer.makeConfirmation(keyed)));
    test.clock.advance(590);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 10]);
    test.clock.advance(10);
    for (const _ of [1, 2, 3]) await test.confirmer.makeConfirmation(login);
    test.clock.advance(300);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 300]);
  });

  it('resets also the messages of a token', async () => {
    const token = somebody();
    for (let time = 0; time < 5; time += 1) {
      const { id } = await test.twoFactor.request({ token });
      await test.confirmer.cancel(id);
    }
    expect(await refusal(test.twoFactor.request({ token }))).toMatchObject({
      1: 'sends-per-token',
    });
    await limits.reset({ token });
    expect(await refusal(test.twoFactor.request({ token }))).toBe('accepted');
  });

  it('compares exactly ten of 100 wrong codes on 20 confirmations of one token', async () => {
    const wide = await startApp({
      engine,
      database: test.database,
      options: { timeoutMs: 60_000, limits: { pending: false } },
    });
    const token = somebody();
    const states = await Promise.all(
      Array.from({ length: 20 }, () => wide.confirmer.makeConfirmation({ token })),
    );

    await Promise.all(
      states.flatMap(({ id }) =>
        Array.from({ length: 5 }, () => refusal(wide.confirmer.confirm(id, WRONG_CODE))),
      ),
    );

    const left = await Promise.all(
      states.map(async ({ id }) => (await wide.confirmer.check(id))[0]!.attemptsLeft),
    );
    expect(left.reduce((sum, each) => sum + 5 - each, 0)).toBe(10);
    await wide.app.close();
  });

  it('forgets what has run out, and keeps failures', async () => {
    const token = somebody();
    await guess(await make(token), 3);
    test.clock.advance(3 * DAY_SECONDS);

    await test.confirmer.purge({ batchSize: 7 });

    const kinds = (await test.dataSource.getRepository(LimitRecord).find()).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(['failures']));
    expect(await limits.failures({ token })).toMatchObject({ count: 3 });
  });

  it('tells what happened, after it was committed', async () => {
    const told: TwoFactorEvent[] = [];
    const events = test.app.get(TwoFactorEvents, { strict: false });
    const subscription = events.subscribe((event) => told.push(event));
    const [token, subject] = [somebody(), somebody()];
    const { state } = await test.twoFactor.request({ token, subject, purpose: 'login' });
    await test.confirmer.confirm(state.id, WRONG_CODE);
    await test.confirmer.confirm(state.id, state.code!);
    const binding = { purpose: 'login', subject };
    await expect(
      test.dataSource.transaction(async (manager) => {
        await test.confirmer.use(state.id, { ...binding, manager });
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    expect(told.at(-1)?.type).toBe('confirmed');
    await test.dataSource.transaction(async (manager) => {
      await test.confirmer.use(state.id, { ...binding, manager });
      expect(told.at(-1)?.type).toBe('confirmed');
    });
    await test.confirmer.use(state.id, binding);
    subscription.unsubscribe();

    expect(told.map(({ type }) => type)).toEqual([
      'created',
      'sent',
      'attempt-failed',
      'confirmed',
      'used',
      'reuse-refused',
    ]);
    expect(JSON.stringify(told)).not.toContain(token);
    expect(JSON.stringify(told)).not.toContain(state.id);
    expect(JSON.stringify(told)).not.toContain(state.code!);
  });
});

// An sql.js database is seen by one application alone.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Limits that several applications share on %s',
  (engine) => {
    let test: TestApp;
    let limits: LimitService;
    let next = 0;
    const somebody = (): string => `user${(next += 1)}@example.com`;

    beforeAll(async () => {
      test = await startApp({ engine, options: { limits: {} } });
      limits = test.app.get(LimitService, { strict: false });
    });
    afterAll(() => test.close());

    it('counts the same under an old secret, a new one beside it, and the new one alone', async () => {
      const NEW_SECRET = secretOf('the new one');
      const start = async (secrets: readonly string[]): Promise<TestApp> =>
        startApp({
          engine,
          database: test.database,
          options: { secret: undefined, secrets, limits: { pending: false }, clock: test.clock },
        });
      const token = somebody();
      let purposes = 0;
      const guessAt = async (app: TestApp, times: number): Promise<unknown> => {
        let last: unknown;
        for (let time = 0; time < times; time += 1) {
          const made = app.confirmer.makeConfirmation({ token, purpose: `p${(purposes += 1)}` });
          last = await refusal(made.then(({ id }) => app.confirmer.confirm(id, WRONG_CODE)));
        }
        return last;
      };
      const both = await start([NEW_SECRET, SECRET]);
      expect(await guessAt(test, 4)).toBe('accepted');
      expect(await guessAt(both, 6)).toBe('accepted');
      expect(await guessAt(both, 1)).toEqual([429, 'token-failures', 30]);
      expect(await guessAt(test, 1)).toEqual([429, 'token-failures', 30]);
      expect(await limits.failures({ token })).toMatchObject({ count: 10 });

      const alone = await start([NEW_SECRET]);
      const { count } = await alone.app.get(LimitService, { strict: false }).failures({ token });
      expect(count).toBe(6);
      for (const app of [both, alone]) await app.app.close();
    });

    it('is not refused for years by a machine whose clock was ten years ahead', async () => {
      const [token, subject] = [somebody(), somebody()];
      const ahead = await startApp({
        engine,
        database: test.database,
        options: {
          limits: {},
          clock: { now: () => test.clock.now() + 10 * 365 * DAY_SECONDS * 1_000 },
        },
      });
      const login = { token, subject, purpose: 'login' };
      for (const _ of [1, 2]) {
        const { state } = await ahead.twoFactor.request(login);
        for (let guessed = 0; guessed < 5; guessed += 1)
          await ahead.confirmer.confirm(state.id, WRONG_CODE);
      }
      expect(await refusal(ahead.twoFactor.request(login))).toEqual([429, 'subject-failures', 30]);
      await ahead.app.close();

      expect(await refusal(test.twoFactor.request(login))).toBe('accepted');
      expect(await limits.failures({ token })).toMatchObject({ count: 10 });
    });
  },
);
