// Pending confirmations that were made without a message, and the slots that they hold.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorRecipientError, type ConfirmationState } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { startApp, type TestApp } from '../support/test-app.js';

describe.each(engines)('Pending confirmations on %s', (engine) => {
  let test: TestApp;
  let next = 0;

  /** A name that no other test uses. */
  const newName = (): string => `user${(next += 1)}@example.com`;
  const guess = async (state: ConfirmationState, times: number): Promise<void> => {
    for (let each = 0; each < times; each += 1) await test.confirmer.confirm(state.id, WRONG_CODE);
  };
  const confirms = async (state: ConfirmationState): Promise<boolean> =>
    (await test.confirmer.confirm(state.id, state.code!))[1];

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
  });
  afterAll(() => test.close());

  it('are at most three of a subject and purpose when they are made without a message', async () => {
    const subject = newName();
    const token = newName();
    const login = { token, subject, purpose: 'login' };
    const first = await test.confirmer.makeConfirmation(login);
    test.clock.advance(60);
    const second = await test.confirmer.makeConfirmation(login);
    const third = await test.confirmer.makeConfirmation(login);

    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 540]);
    const elsewhere = { token, subject, purpose: 'transfer' };
    expect(await refusal(test.confirmer.makeConfirmation(elsewhere))).toBe('accepted');

    // Confirmed by the code, by hand, cancelled, expired: each frees its own slot.
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

  it("take and free no slot when the code is sent with the request, and none of a subject's when strangers make them", async () => {
    const login = { token: newName(), subject: newName(), purpose: 'login' };
    const requested = await test.twoFactor.request(login);
    for (let time = 0; time < 3; time += 1) await test.confirmer.makeConfirmation(login);
    const full = [429, 'pending', 600];
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual(full);

    await test.confirmer.cancel(requested.id);
    const other = await test.twoFactor.request(login);
    expect(await confirms(other.state)).toBe(true);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual(full);

    const stranger = { token: login.token, purpose: 'login' };
    for (let time = 0; time < 3; time += 1) await test.confirmer.makeConfirmation(stranger);
    expect(await refusal(test.confirmer.makeConfirmation(stranger))).toEqual(full);
    const named = { ...login, tokenFrom: 'client' } as const;
    for (let time = 0; time < 3; time += 1) await test.confirmer.makeConfirmation(named);
    expect(await refusal(test.confirmer.makeConfirmation(named))).toEqual(full);
  });

  it.each(['application', 'client'] as const)(
    'keep their slot when the code is sent later, until they end, to a token that the %s names',
    async (tokenFrom) => {
      const login = { subject: newName(), purpose: 'login', tokenFrom };
      const states = [
        await test.confirmer.makeConfirmation(login),
        await test.confirmer.makeConfirmation(login),
        await test.confirmer.makeConfirmation(login),
      ];
      for (const state of states) await test.sender.send(null, newName(), state);
      expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 600]);

      expect(await confirms(states[1]!)).toBe(true);

      expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');
      expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 600]);
    },
  );

  it('take no slot in a transaction of the application, and are refused there while the token is locked', async () => {
    const login = { token: newName(), subject: newName(), purpose: 'login' };
    const inTransaction = async (): Promise<ConfirmationState> =>
      test.dataSource.transaction((manager) =>
        test.confirmer.makeConfirmation({ ...login, manager }),
      );
    const made: ConfirmationState[] = [];
    for (let time = 0; time < 4; time += 1) made.push(await inTransaction());
    expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');

    await guess(made[0]!, 5);
    await guess(made[1]!, 5);
    expect(await refusal(inTransaction())).toEqual([429, 'failures', 30]);
  });

  it('free their slot when they can no longer be confirmed', async () => {
    const login = { subject: newName(), purpose: 'login' };
    for (const _ of [1, 2, 3]) {
      const state = await test.confirmer.makeConfirmation(login);
      test.inbox.failNext(new TwoFactorRecipientError('no such mailbox'));
      await expect(test.sender.send(null, newName(), state)).rejects.toThrow(
        TwoFactorRecipientError,
      );
    }
    const state = await test.confirmer.makeConfirmation(login);
    await test.confirmer.makeConfirmation(login);
    await test.confirmer.makeConfirmation(login);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 600]);

    await guess(state, 5);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toBe('accepted');
  });

  it('get the full time in a slot that a concurrent repeat has given back', async () => {
    const login = { subject: newName(), purpose: 'login' };
    for (const _ of [1, 2]) await test.confirmer.makeConfirmation(login);
    const key = `key-of-${login.subject}-0001`;
    const keyed = { ...login, idempotencyKey: key };
    // Two at once under one key: the loser takes a slot and gives it back.
    await Promise.all([1, 2].map(() => test.confirmer.makeConfirmation(keyed)));
    test.clock.advance(590);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 10]);
    test.clock.advance(10);
    for (const _ of [1, 2, 3]) await test.confirmer.makeConfirmation(login);
    test.clock.advance(300);
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'pending', 300]);
  });
});
