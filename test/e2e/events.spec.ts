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
          sprayDetection: { confirmations: 3, perSeconds: 600 },
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

  it('name the subject, purpose and masked recipient from creation to use, and contain no code, id or address', async () => {
    const token = 'ann@example.com';
    const login = { token, subject: 'ann', purpose: 'login' };
    const events = await during(async () => {
      const { state } = await test.twoFactor.request(login);
      await test.confirmer.confirm(state.id, WRONG_CODE);
      await test.confirmer.confirm(state.id, state.code!);
      await test.confirmer.use(state.id, { subject: 'ann', purpose: 'login' });
      await test.confirmer.use(state.id, { subject: 'ann', purpose: 'login' });
    });
    const { state } = test.inbox.deliveries.at(-1)!;

    expect(events).toEqual([
      { type: 'created', ...facts(state, token) },
      { type: 'sent', sends: 1, ...facts(state, token) },
      {
        type: 'attempt-failed',
        method: 'code',
        attempts: 1,
        maxAttempts: 5,
        ...facts(state, token),
      },
      { type: 'confirmed', by: 'code', factor: null, attempts: 2, ...facts(state, token) },
      { type: 'used', ...facts(state, null), way: '' },
      { type: 'reuse-refused', ...facts(state, token) },
    ]);
    for (const secret of [token, state.id, state.code!]) {
      expect(JSON.stringify(events)).not.toContain(secret);
    }
  });

  it('report a failed message, and whether the recipient can never be reached', async () => {
    test.inbox.failNext(new Error('the provider is down'));
    const failed = await during(() => test.twoFactor.request({ token: 'bob@example.com' }));
    test.inbox.failNext(new TwoFactorRecipientError('no such mailbox'));
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

  it('report a message that a limit refused, with the name of the limit', async () => {
    const { state } = await test.twoFactor.request({ token: 'cleo@example.com' });
    const cooldown = await during(() => test.twoFactor.resend(state.id));
    expect(cooldown).toMatchObject([
      { type: 'send-blocked', limit: 'cooldown', retryAfterSeconds: 30 },
    ]);

    for (let time = 0; time < 3; time += 1) {
      await test.confirmer.makeConfirmation({ subject: 'cleo' });
    }
    const pending = await during(() => test.confirmer.makeConfirmation({ subject: 'cleo' }));
    expect(pending).toMatchObject([
      { type: 'send-blocked', limit: 'pending', confirmation: '', retryAfterSeconds: 600 },
    ]);

    for (let time = 0; time < 4; time += 1) {
      await test.twoFactor.request({ token: 'cleo@example.com' });
    }
    const token = await during(() => test.twoFactor.request({ token: 'cleo@example.com' }));
    expect(token).toMatchObject([
      { type: 'send-blocked', limit: 'sends-per-token', confirmation: '', retryAfterSeconds: 600 },
    ]);
  });

  it('report once for each window that the messages of a class are used up', async () => {
    const total = { max: 2, perSeconds: 60 };
    const small = await startApp({
      options: {
        senders: {
          sms: { backend: () => async () => undefined },
          email: { backend: () => async () => undefined },
        },
        defaultSender: 'sms',
        limits: { sendsInTotal: [total], sendsPerSender: [{ max: 1, perSeconds: 30 }] },
      },
    });
    const { twoFactor, clock } = small;
    const heard: TwoFactorEvent[] = [];
    small.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => heard.push(event));
    /** The events of one request, without those that say that it was made. */
    const ask = async (way: string, subject?: string): Promise<TwoFactorEvent[]> => {
      heard.length = 0;
      const token = `user${(tokens += 1)}@example.com`;
      await twoFactor.request({ token, way, subject }).catch(() => undefined);
      return heard.filter(({ type }) => type !== 'created' && type !== 'sent');
    };
    let tokens = 0;
    const blocked = (limit: string): object => ({ type: 'send-blocked', limit });
    const exhausted = (
      limit: string,
      limitClass: string,
      way: string,
      retryAfterSeconds: number,
    ): object => ({
      type: 'budget-exhausted',
      at: new Date(clock.now()),
      limit,
      limitClass,
      way,
      retryAfterSeconds,
    });

    expect(await ask('sms')).toEqual([]);
    const first = await ask('sms');
    expect(first).toMatchObject([
      blocked('sends-per-sender'),
      exhausted('sends-per-sender', 'open', 'sms', 30),
    ]);
    expect(Object.keys(first[1]!).toSorted()).toEqual(
      Object.keys(exhausted('', '', '', 0)).toSorted(),
    );
    clock.advance(10);
    expect(await ask('sms')).toMatchObject([blocked('sends-per-sender')]);
    // Another sender, another class and another quota have a window of their own.
    expect(await ask('email')).toEqual([]);
    expect(await ask('email')).toMatchObject([
      blocked('sends-in-total'),
      exhausted('sends-in-total', 'open', 'email', 60),
    ]);
    expect(await ask('sms')).toMatchObject([blocked('sends-in-total')]);
    expect(await ask('sms', 'ann')).toEqual([]);
    expect(await ask('sms', 'ann')).toMatchObject([
      blocked('sends-per-sender'),
      exhausted('sends-per-sender', 'bound', 'sms', 30),
    ]);
    clock.advance(49);
    expect(await ask('email')).toMatchObject([blocked('sends-in-total')]);

    clock.advance(1);
    for (const way of ['sms', 'email']) expect(await ask(way)).toEqual([]);
    expect(await ask('email')).toMatchObject([
      blocked('sends-in-total'),
      exhausted('sends-in-total', 'open', 'email', 60),
    ]);
    expect(await ask('email')).toMatchObject([blocked('sends-in-total')]);
    await small.close();
  });

  it('report no exhausted budget when the client has exceeded its own limit', async () => {
    for (let time = 0; time < 5; time += 1) {
      await test.twoFactor.request({ token: 'dan@example.com', subject: 'dan' });
    }
    const refused = await during(() =>
      test.twoFactor.request({ token: 'dan@example.com', subject: 'dan' }),
    );
    expect(refused.map(({ type }) => type)).toEqual(['send-blocked']);
  });

  it.each([
    ['token', { token: 'hal@example.com' }],
    ['token', { token: 'hal@example.net', subject: 'hal', tokenFrom: 'client' }],
    ['subject', { token: 'hal@example.com', subject: 'hal' }],
    ['subject', { subject: 'ida' }],
  ] as const)(
    'report that the %s is locked and until when, and report one code that is tried on many confirmations',
    async (scope, binding) => {
      test.clock.advance(600);
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

      expect(exhausted.at(-1)).toMatchObject({
        type: 'locked',
        scope: 'confirmation',
        until: null,
      });
      const until = new Date(test.clock.now());
      expect(locked.slice(-2)).toMatchObject([
        { type: 'locked', scope: 'confirmation' },
        { type: 'locked', scope, until },
      ]);
      expect(guessing.at(-1)).toEqual({ type: 'spraying-suspected', at: until, confirmations: 3 });
      expect(JSON.stringify([exhausted, locked, guessing])).not.toContain('hal@');
    },
  );

  it('report a confirmation by hand', async () => {
    const state = await test.confirmer.makeConfirmation();
    expect(await during(() => state.confirm())).toMatchObject([
      { type: 'confirmed', by: 'hand', factor: null, attempts: 0, recipient: null },
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
