import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorEvents, TwoFactorRecipientError, type TwoFactorEvent } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startApp, type TestApp } from '../support/test-app.js';

const GUESS = 'GUESSGUESS';

describe('The events', () => {
  let test: TestApp;
  let told: TwoFactorEvent[];

  beforeAll(async () => {
    test = await startApp({
      options: {
        purposes: {},
        limits: {
          sendsPerSender: [{ max: 9, perSeconds: 3_600 }],
          guessing: { confirmations: 3, perSeconds: 600 },
        },
      },
    });
    told = [];
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => told.push(event));
  });
  afterAll(() => test.close());

  /** What `work` tells, whether it is refused or not. */
  const during = async (work: () => Promise<unknown>): Promise<TwoFactorEvent[]> => {
    told.length = 0;
    await work().catch(() => undefined);
    return [...told];
  };

  const facts = (state: { id: string }, token: string | null): object => ({
    at: new Date(test.clock.now()),
    confirmation: `${state.id.slice(0, 14)}...`,
    purpose: 'login',
    subject: 'ann',
    way: 'default',
    recipient: token === null ? null : { masked: 'a***@e***.com', key: expect.any(String) },
  });

  it('of a life say who, what and where, and nothing that opens anything', async () => {
    const token = 'ann@example.com';
    const login = { token, subject: 'ann', purpose: 'login' };
    const events = await during(async () => {
      const { state } = await test.twoFactor.request(login);
      await test.confirmer.confirm(state.id, WRONG_CODE);
      await test.confirmer.confirm(state.id, state.code!);
      await test.confirmer.use(state.id, { subject: 'ann', purpose: 'login' });
      await test.confirmer.use(state.id, { subject: 'ann', purpose: 'login' });
    });
    const { state } = test.outbox.deliveries.at(-1)!;

    expect(events).toEqual([
      { type: 'created', ...facts(state, token) },
      { type: 'sent', sends: 1, ...facts(state, token) },
      { type: 'attempt-failed', attempts: 1, maxAttempts: 5, ...facts(state, token) },
      { type: 'confirmed', by: 'code', attempts: 2, ...facts(state, token) },
      { type: 'used', ...facts(state, null), way: '' },
      { type: 'reuse-refused', ...facts(state, token) },
    ]);
    for (const secret of [token, state.id, state.code!]) {
      expect(JSON.stringify(events)).not.toContain(secret);
    }
  });

  it('tell a failed message, and whether the token can never be reached', async () => {
    test.outbox.failNext(new Error('the provider is down'));
    const failed = await during(() => test.twoFactor.request({ token: 'bob@example.com' }));
    test.outbox.failNext(new TwoFactorRecipientError('no such mailbox'));
    const permanent = await during(() => test.twoFactor.request({ token: 'bob@example.com' }));

    expect(failed).toMatchObject([
      { type: 'created' },
      { type: 'send-failed', sends: 1, isPermanent: false },
    ]);
    expect(permanent).toMatchObject([
      { type: 'created' },
      { type: 'send-failed', isPermanent: true },
    ]);
    expect(JSON.stringify([failed, permanent])).not.toContain('provider');
  });

  it('tell a message that a limit refused, by its name', async () => {
    const { state } = await test.twoFactor.request({ token: 'cleo@example.com' });
    const cooldown = await during(() => test.twoFactor.resend(state.id));
    expect(cooldown).toMatchObject([
      { type: 'send-blocked', limit: 'cooldown', retryAfterSeconds: 30 },
    ]);

    await test.twoFactor.request({ token: 'cleo@example.com' });
    await test.twoFactor.request({ token: 'cleo@example.com' });
    const live = await during(() => test.twoFactor.request({ token: 'cleo@example.com' }));
    expect(live).toMatchObject([
      { type: 'send-blocked', limit: 'pending', confirmation: '', retryAfterSeconds: 600 },
    ]);

    await test.twoFactor.request({ token: 'dan@example.com' });
    await test.twoFactor.request({ token: 'eve@example.com' });
    await test.twoFactor.request({ token: 'flo@example.com' });
    const spent = await during(() => test.twoFactor.request({ token: 'guy@example.com' }));
    expect(spent).toMatchObject([
      { type: 'send-blocked', limit: 'sends-per-sender', retryAfterSeconds: 3_600 },
    ]);
  });

  it('tell what is locked, for how long, and a code that is tried everywhere', async () => {
    const binding = { token: 'hal@example.com', subject: 'hal' };
    const states = await Promise.all(
      ['a', 'b', 'c'].map((purpose) => test.confirmer.makeConfirmation({ ...binding, purpose })),
    );
    const exhausted = await during(async () => {
      for (let guess = 0; guess < 5; guess += 1) await test.confirmer.confirm(states[0]!, GUESS);
    });
    const locked = await during(async () => {
      for (let guess = 0; guess < 5; guess += 1) await test.confirmer.confirm(states[1]!, GUESS);
    });
    test.clock.advance(30);
    const guessing = await during(() => test.confirmer.confirm(states[2]!, GUESS));

    expect(exhausted.at(-1)).toMatchObject({ type: 'locked', scope: 'confirmation', until: null });
    const until = new Date(test.clock.now());
    expect(locked.slice(-2)).toMatchObject([
      { type: 'locked', scope: 'token', until },
      { type: 'locked', scope: 'subject', until },
    ]);
    expect(guessing.at(-1)).toEqual({ type: 'guessing-suspected', at: until, confirmations: 3 });
    expect(JSON.stringify([exhausted, locked, guessing])).not.toContain('hal@example.com');
  });

  it('tell a confirmation by hand', async () => {
    const state = await test.confirmer.makeConfirmation();
    expect(await during(() => state.confirm())).toMatchObject([
      { type: 'confirmed', by: 'hand', attempts: 0, recipient: null },
    ]);
  });

  it('of a transaction wait for its commit, of a savepoint for the commit around it', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });
    const undone = await during(() =>
      test.dataSource.transaction(async (manager) => {
        await manager
          .transaction(async (inner) => {
            await test.confirmer.use(state.id, { manager: inner });
            throw new Error('undo the savepoint');
          })
          .catch(() => undefined);
        await test.confirmer.makeConfirmation({ purpose: 'outer', manager });
      }),
    );
    const done = await during(() =>
      test.dataSource.transaction(async (manager) => {
        await manager.transaction((inner) => test.confirmer.use(state.id, { manager: inner }));
        expect(told).toEqual([]);
      }),
    );

    expect(undone).toMatchObject([{ type: 'created', purpose: 'outer' }]);
    expect(done).toMatchObject([{ type: 'used' }]);
  });
});
