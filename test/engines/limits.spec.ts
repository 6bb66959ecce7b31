// Wrong codes. For confirmations without a message see `pending-limits.spec.ts`, for messages `message-limits.spec.ts`.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitService,
  TwoFactorEvents,
  type ConfirmationState,
  type FailureScope,
  type MakeConfirmationInput,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { startApp, type TestApp } from '../support/test-app.js';

const DAY_SECONDS = 86_400;
const NONE = { count: 0, lockedUntil: null, isPermanentlyLocked: false };

/** What a stranger learns about a counter that strangers share: the time that is left, in steps of five minutes. */
const coarse = (seconds: number): number => Math.ceil(seconds / 300) * 300;

describe.each(engines)('Failures on %s', (engine) => {
  let test: TestApp;
  let limits: LimitService;
  let next = 0;

  /** A name that no other test uses. */
  const newName = (): string => `user${(next += 1)}@example.com`;
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
  /** Ten wrong codes, which lock. */
  const lock = async (input: MakeConfirmationInput): Promise<void> => {
    for (const purpose of ['one', 'two']) {
      const state = await test.confirmer.makeConfirmation({ ...input, purpose });
      expect(await guess(state, 5)).toBe(5);
    }
  };
  const confirms = async (state: ConfirmationState): Promise<boolean> =>
    (await test.confirmer.confirm(state.id, state.code!))[1];

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
    limits = test.app.get(LimitService, { strict: false });
  });
  afterAll(() => test.close());

  interface Counted {
    readonly who: string;
    readonly told: (seconds: number) => number;
    /** The confirmation of a new token, and the scope that it is counted under. */
    readonly someone: () => { input: MakeConfirmationInput; scope: FailureScope };
  }

  const counted: readonly Counted[] = [
    {
      who: 'a token that clients name',
      told: coarse,
      someone: () => {
        const token = newName();
        return { input: { token }, scope: { token } };
      },
    },
    {
      who: 'a token that a client names for its subject',
      told: coarse,
      someone: () => {
        const token = newName();
        return { input: { token, subject: newName(), tokenFrom: 'client' }, scope: { token } };
      },
    },
    {
      who: "a subject's own token",
      told: (seconds) => seconds,
      someone: () => {
        const [token, subject] = [newName(), newName()];
        return { input: { token, subject }, scope: { subject, token } };
      },
    },
    {
      who: 'a subject whose codes the application delivers',
      told: (seconds) => seconds,
      someone: () => {
        const subject = newName();
        return { input: { subject }, scope: { subject } };
      },
    },
  ];

  describe.each(counted)('for $who', ({ told, someone }) => {
    it('lock for 30 seconds with the tenth wrong code, whatever confirmation it was for', async () => {
      const { input, scope } = someone();
      const [one, two, three] = [
        await test.confirmer.makeConfirmation(input),
        await test.confirmer.makeConfirmation(input),
        await test.confirmer.makeConfirmation(input),
      ];

      expect(await guess(one, 5)).toBe(5);
      expect(await guess(two, 4)).toBe(4);
      expect(await limits.failures(scope)).toEqual({ ...NONE, count: 9 });
      expect(await guess(three, 1)).toBe(1);
      expect(await limits.failures(scope)).toEqual({
        ...NONE,
        count: 10,
        lockedUntil: new Date(test.clock.now() + 30_000),
      });

      const locked = [429, 'failures', told(30)];
      expect(await refusal(test.confirmer.confirm(three.id, three.code!))).toEqual(locked);
      expect(await refusal(test.confirmer.makeConfirmation(input))).toEqual(locked);
      if (input.token !== undefined) {
        expect(await refusal(test.twoFactor.request({ ...input, token: input.token }))).toEqual(
          locked,
        );
      }
      expect((await test.confirmer.check(three.id))[0]?.attemptsLeft).toBe(4);
      test.clock.advance(29.5);
      expect(await refusal(test.confirmer.confirm(three.id, three.code!))).toEqual([
        429,
        'failures',
        told(1),
      ]);
      test.clock.advance(0.5);
      expect(await confirms(three)).toBe(true);
      expect(await limits.failures(scope)).toEqual(NONE);
    });

    it('double the lock up to 15 minutes, and stop at the hundredth wrong code until it is reset', async () => {
      const { input, scope } = someone();
      const waits: (number | null)[] = [];
      let state = await test.confirmer.makeConfirmation(input);
      for (let failure = 1; failure <= 100; failure += 1) {
        if ((await test.confirmer.check(state.id))[0]?.status !== 'pending') {
          test.clock.advance(600);
          state = await test.confirmer.makeConfirmation(input);
        }
        const [, confirmed] = await test.confirmer.confirm(state.id, WRONG_CODE);
        expect(confirmed).toBe(false);
        if (failure < 10) continue;
        const { lockedUntil } = await limits.failures(scope);
        const wait = lockedUntil && (lockedUntil.getTime() - test.clock.now()) / 1_000;
        waits.push(wait);
        if (wait) test.clock.advance(wait);
      }

      expect(waits.slice(0, 7)).toEqual([30, 60, 120, 240, 480, 900, 900]);
      expect(new Set(waits.slice(6, -1))).toEqual(new Set([900]));
      expect(waits.at(-1)).toBeNull();
      test.clock.advance(10 * 365 * DAY_SECONDS);
      await test.confirmer.purge();
      expect(await refusal(test.confirmer.makeConfirmation(input))).toEqual([
        429,
        'failures',
        null,
      ]);
      expect(await limits.failures(scope)).toEqual({
        count: 100,
        lockedUntil: null,
        isPermanentlyLocked: true,
      });

      await limits.reset(scope);

      expect(await refusal(test.confirmer.makeConfirmation(input))).toBe('accepted');
      expect(await limits.failures(scope)).toEqual(NONE);
    });
  });

  it('counts each token of a subject by itself when codes for two of them are guessed at', async () => {
    const subject = newName();
    const [phone, mailbox] = [newName(), newName()];
    await lock({ token: phone, subject });
    await guess(await make(mailbox, subject), 5);

    expect(await refusal(make(phone, subject))).toEqual([429, 'failures', 30]);
    expect(await limits.failures({ subject, token: phone })).toMatchObject({ count: 10 });
    expect(await limits.failures({ subject, token: mailbox })).toMatchObject({ count: 5 });
    expect(await limits.failures({ subject })).toEqual(NONE);
    expect(await refusal(make(mailbox, subject))).toBe('accepted');
    expect(await refusal(test.confirmer.makeConfirmation({ subject }))).toBe('accepted');
    // The same number of another account.
    expect(await refusal(make(phone, newName()))).toBe('accepted');
  });

  it('ends the failures of the token alone when its right code comes', async () => {
    const subject = newName();
    const [phone, mailbox] = [newName(), newName()];
    const scopes = [
      { subject, token: phone },
      { subject, token: mailbox },
      { subject },
      { token: phone },
    ];
    const inputs: MakeConfirmationInput[] = [
      { token: phone, subject },
      { token: mailbox, subject },
      { subject },
      { token: phone },
    ];
    const counts = async (): Promise<number[]> =>
      Promise.all(scopes.map(async (scope) => (await limits.failures(scope)).count));
    const expected = [2, 3, 4, 5];
    for (const [index, input] of inputs.entries()) {
      const state = await test.confirmer.makeConfirmation({ ...input, purpose: 'guessed' });
      await guess(state, expected[index]!);
    }
    expect(await counts()).toEqual(expected);

    for (const [index, input] of inputs.entries()) {
      expect(await confirms(await test.confirmer.makeConfirmation(input))).toBe(true);
      expected[index] = 0;
      expect(await counts()).toEqual(expected);
    }
  });

  it("keeps a subject's failures when the subject proves a token that it names itself", async () => {
    const [subject, own, named] = [newName(), newName(), newName()];
    const prove: MakeConfirmationInput = { subject, token: named, tokenFrom: 'client' };
    const guessed = await make(own, subject);
    for (const wrong of [1, 2, 3, 4]) {
      await guess(guessed, 1);
      expect(await confirms(await test.confirmer.makeConfirmation(prove))).toBe(true);
      expect(await limits.failures({ subject, token: own })).toMatchObject({ count: wrong });
    }
    // The own token, named by the client, is a stranger's: it ends nothing either.
    expect(await confirms(await test.confirmer.makeConfirmation({ ...prove, token: own }))).toBe(
      true,
    );
    expect(await limits.failures({ subject, token: own })).toMatchObject({ count: 4 });
  });

  it("leaves a subject's token alone when strangers guess at it until it is locked for good", async () => {
    const [token, subject] = [newName(), newName()];
    const quick = await startApp({
      engine,
      database: test.database,
      options: { limits: { failures: { permanentLockAfter: 11 } }, clock: test.clock },
    });
    const { confirmer, twoFactor } = quick;
    const strangers = [{ token }, { token, subject: newName(), tokenFrom: 'client' as const }];
    for (const stranger of strangers) {
      const { id } = await confirmer.makeConfirmation(stranger);
      for (let time = 0; time < 5; time += 1) await confirmer.confirm(id, WRONG_CODE);
    }
    test.clock.advance(30);
    const { id } = await confirmer.makeConfirmation({ token });
    await confirmer.confirm(id, WRONG_CODE);
    for (const stranger of strangers) {
      expect(await refusal(confirmer.makeConfirmation(stranger))).toEqual([429, 'failures', null]);
    }

    const asked = twoFactor.request({ token, subject });

    expect(await refusal(asked)).toBe('accepted');
    const { state } = await asked;
    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    await quick.app.close();
  });

  it("leaves strangers alone when the subject's own codes are guessed at", async () => {
    const [token, subject] = [newName(), newName()];
    await lock({ token, subject });

    expect(await limits.failures({ token })).toEqual(NONE);
    expect(await confirms(await make(token))).toBe(true);
    expect(await limits.failures({ token, subject })).toMatchObject({ count: 10 });
  });

  it('resets the counters that the scope names, and no others', async () => {
    const [token, subject] = [newName(), newName()];
    await lock({ token });
    await lock({ token, subject });
    await lock({ subject });
    const locked = async (): Promise<boolean[]> =>
      Promise.all(
        [{ token }, { token, subject }, { subject }].map(
          async (scope) => (await limits.failures(scope)).count > 0,
        ),
      );
    expect(await locked()).toEqual([true, true, true]);

    await limits.reset({ token: token.toUpperCase() });
    expect(await locked()).toEqual([false, true, true]);
    await limits.reset({ subject, token });
    expect(await locked()).toEqual([false, false, true]);
    await limits.reset({ subject });
    expect(await locked()).toEqual([false, false, false]);
  });

  it('lets the application confirm by hand when the subject is locked', async () => {
    const login = { token: newName(), subject: newName() };
    await lock(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'failures', 30]);

    const { subject } = login;
    const byHand = await test.confirmer.makeConfirmation({ subject, isConfirmed: true });
    expect(await test.confirmer.use(byHand, { subject })).toBe(true);
  });

  it('compares exactly ten of 100 wrong codes on 20 confirmations of one token', async () => {
    const wide = await startApp({
      engine,
      database: test.database,
      options: { databaseTimeoutMs: 60_000, limits: { pending: false } },
    });
    const token = newName();
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

  it('emit events after their commit, and none for what was rolled back', async () => {
    const told: TwoFactorEvent[] = [];
    const events = test.app.get(TwoFactorEvents, { strict: false });
    const subscription = events.subscribe((event) => told.push(event));
    const [token, subject] = [newName(), newName()];
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
