// Confirmations in the database, budgets in Redis: through the real services, on every engine.
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { rateLimiterFlexibleStore } from '../../lib/adapters/rate-limiter-flexible/index.js';
import {
  LimitRecord,
  LimitService,
  TWO_FACTOR_LIMIT_STORE,
  TwoFactorUnavailableError,
  type ConfirmationState,
  type LimitsOptions,
  type LimitStore,
  type TwoFactorModuleExtras,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines, found } from '../support/engines.js';
import { freePort } from '../support/free-port.js';
import { startHttpApp } from '../support/http.js';
import { refusal } from '../support/refusal.js';
import { openRedis, type TestRedis } from '../support/redis.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { startApp, TestClock, type TestApp } from '../support/test-app.js';

const TIMEOUT_MS = 60_000;
/** For calls that must be refused, beside others that must be answered on a busy machine. */
const SHORT_MS = 3_000;

const redisEngines = found.redis ? engines : [];

function storeOn(storeClient: Redis, keyPrefix: string, timeoutMs = TIMEOUT_MS): LimitStore {
  const limiter = new RateLimiterRedis({ storeClient, keyPrefix, points: 1, duration: 1 });
  return rateLimiterFlexibleStore({ limiter, timeoutMs });
}

const extra = (useFactory: () => LimitStore): Pick<TwoFactorModuleExtras, 'limitStore'> => ({
  limitStore: { provide: TWO_FACTOR_LIMIT_STORE, useFactory },
});

describe.each(redisEngines)('Limits in Redis, confirmations on %s', (engine) => {
  let redis: TestRedis;
  let test: TestApp;
  let limits: LimitService;
  let next = 0;

  const newAddress = (): string => `user${(next += 1)}@example.com`;
  const start = (options: LimitsOptions): Promise<TestApp> =>
    startApp({
      engine,
      options: {
        // The time of Redis is the system's.
        clock: { now: Date.now },
        databaseTimeoutMs: TIMEOUT_MS,
        limits: options,
        ...extra(() => storeOn(redis.client, redis.keyPrefix)),
      },
    });
  const make = (token: string): Promise<ConfirmationState> =>
    test.confirmer.makeConfirmation({ token });

  beforeAll(async () => {
    redis = openRedis();
    test = await start({});
    limits = test.app.get(LimitService, { strict: false });
  });
  afterAll(async () => {
    await test.close();
    await redis.close();
  });

  it('locks a token with the tenth wrong code, and a right one ends it', async () => {
    const token = newAddress();
    const states = [await make(token), await make(token), await make(token)] as const;
    for (const [state, times] of [
      [states[0], 5],
      [states[1], 4],
      [states[2], 1],
    ] as const) {
      for (let time = 0; time < times; time += 1) {
        expect((await test.confirmer.confirm(state.id, WRONG_CODE))[1]).toBe(false);
      }
    }

    // A stranger learns the wait in steps of five minutes.
    const locked = [429, 'failures', 300];
    const right = (): Promise<unknown> => test.confirmer.confirm(states[2].id, states[2].code!);
    expect(await refusal(right())).toEqual(locked);
    expect(await refusal(make(token))).toEqual(locked);
    expect(await limits.failures({ token })).toEqual({
      count: 10,
      isPermanentlyLocked: false,
      lockedUntil: expect.any(Date),
    });

    await redis.advance(30);
    expect(await right()).toMatchObject([{ status: 'confirmed' }, true]);
    expect(await limits.failures({ token })).toEqual({
      count: 0,
      isPermanentlyLocked: false,
      lockedUntil: null,
    });
  });

  it('ends a lock by reset(), and keeps the lock of the other class (open or bound)', async () => {
    const [token, subject] = [newAddress(), newAddress()];
    const makeBound = (): Promise<ConfirmationState> =>
      test.confirmer.makeConfirmation({ token, subject });
    for (let each = 0; each < 2; each += 1) {
      for (const { id } of [await make(token), await makeBound()]) {
        for (let time = 0; time < 5; time += 1) await test.confirmer.confirm(id, WRONG_CODE);
      }
    }
    expect(await refusal(make(token))).toEqual([429, 'failures', 300]);
    expect(await refusal(makeBound())).toEqual([429, 'failures', expect.any(Number)]);

    await limits.reset({ token });

    expect(await refusal(make(token))).toBe('accepted');
    expect(await refusal(makeBound())).toEqual([429, 'failures', expect.any(Number)]);
    await limits.reset({ token, subject });
    expect(await refusal(makeBound())).toBe('accepted');
  });

  it("sends a subject's codes when strangers have used up and locked the same token", async () => {
    const [token, subject] = [newAddress(), newAddress()];
    const ids: string[] = [];
    for (let each = 0; each < 5; each += 1) {
      ids.push((await test.twoFactor.request({ token, requester: '192.0.2.1' })).id);
    }
    for (const id of ids.slice(0, 2)) {
      for (let time = 0; time < 5; time += 1) await test.confirmer.confirm(id, WRONG_CODE);
    }
    expect(await refusal(test.twoFactor.request({ token }))).toEqual([429, 'sends-per-token', 600]);

    const { state } = await test.twoFactor.request({ token, subject });
    expect((await test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });

  it('keeps at most three confirmations of a subject and purpose alive that were made without a message', async () => {
    const login = { token: newAddress(), subject: newAddress(), purpose: 'login' };
    const makeLogin = (): Promise<ConfirmationState> => test.confirmer.makeConfirmation(login);
    const full = [429, 'pending', expect.any(Number)];
    const [first, second, third] = [await makeLogin(), await makeLogin(), await makeLogin()];
    expect(await refusal(makeLogin())).toEqual(full);
    const elsewhere = { ...login, purpose: 'transfer' };
    expect(await refusal(test.confirmer.makeConfirmation(elsewhere))).toBe('accepted');

    await test.confirmer.confirm(first.id, first.code!);
    const fourth = await makeLogin();
    expect(await refusal(makeLogin())).toEqual(full);
    await second.confirm();
    await makeLogin();
    expect(await refusal(makeLogin())).toEqual(full);
    // The slot of the first confirmation belongs to another one now.
    await test.confirmer.cancel(first.id);
    expect(await refusal(makeLogin())).toEqual(full);
    await test.confirmer.cancel(fourth.id);
    await makeLogin();
    expect(await refusal(makeLogin())).toEqual(full);
    expect((await test.confirmer.check(third.id))[0]?.status).toBe('pending');
    await redis.advance(600);
    expect(await refusal(makeLogin())).toBe('accepted');
  });

  it('allows three of many confirmations that are made concurrently for one subject', async () => {
    const login = { subject: newAddress(), purpose: 'login' };

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refusal(test.confirmer.makeConfirmation(login))),
    );

    expect(answers.filter((answer) => answer === 'accepted')).toHaveLength(3);
  });

  it('sends five messages in ten minutes to one token', async () => {
    const token = newAddress();
    const sent = test.inbox.deliveries.length;
    const send = async (): Promise<unknown> => {
      const state = await test.confirmer.makeConfirmation();
      return refusal(test.sender.send(null, token, state));
    };

    const answers = await Promise.all(Array.from({ length: 12 }, send));

    expect(answers.filter((answer) => answer === 'accepted')).toHaveLength(5);
    expect(await send()).toEqual([429, 'sends-per-token', 600]);
    await redis.advance(600);
    expect(await send()).toBe('accepted');
    expect(test.inbox.deliveries.length - sent).toBe(6);
  });

  it('compares exactly ten of 100 wrong codes on 20 confirmations of one token', async () => {
    const wide = await start({ pending: false });
    const token = newAddress();
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
    expect(await limits.failures({ token })).toMatchObject({ count: 10 });
    await wide.close();
  });

  it('leaves the table of the database empty, and stores no token or subject in clear', async () => {
    const token = newAddress();
    await test.twoFactor.request({ token, subject: 'ann' });

    expect(await test.dataSource.getRepository(LimitRecord).count()).toBe(0);
    const keys = await redis.client.keys(`${redis.keyPrefix}*`);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key.slice(redis.keyPrefix.length)).toMatch(/^:[0-9a-f]{32}:[a-z]+$/);
      expect(await redis.client.get(key)).toMatch(/^\d+$/);
    }
  });
});

describe.each(found.redis ? ['redis'] : [])('A limit store that cannot reach %s', () => {
  const refused = { status: 503, body: { error: 'temporarily-unavailable' } };

  it('refuses what it limits when answers stop, charges nothing, and works again when they return', async () => {
    const redis = openRedis();
    const proxy = await startTcpProxy(new URL(found.redis!));
    // The default of ioredis: with an offline queue.
    const client = new Redis(proxy.port, '127.0.0.1');
    client.on('error', () => undefined);
    const test = await startHttpApp({
      options: {
        controller: true,
        clock: new TestClock(),
        limits: {},
        ...extra(() => storeOn(client, redis.keyPrefix, SHORT_MS)),
      },
    });
    // No call has to wait for the connection.
    await client.ping();
    const token = 'ann@example.com';
    const { id, code } = await test.request({ token });
    const sent = test.inbox.deliveries.length;

    proxy.silence();
    // All at once, because each of them takes the whole time limit of the store.
    const [made, ...answers] = await Promise.all([
      test.confirmer.makeConfirmation({ token }).catch((error: unknown) => error),
      test.post('/2factor/confirm', { id, code }),
      test.post('/2factor/confirm', { id, code: WRONG_CODE }),
      test.post('/2factor/request-confirmation', { token }),
    ]);
    expect(made).toBeInstanceOf(TwoFactorUnavailableError);
    for (const answer of answers) expect(answer).toMatchObject(refused);
    expect(test.inbox.deliveries.length).toBe(sent);
    expect((await test.row(id)).attempts).toBe(0);
    proxy.resume();
    // Redis has answered everything that was held up.
    await client.ping();

    await expect
      .poll(async () => (await test.post('/2factor/confirm', { id, code })).status, {
        timeout: 60_000,
      })
      .toBe(200);
    await test.close();
    client.disconnect();
    await proxy.close();
    await redis.close();
  });

  it('refuses when there is no server, with an offline queue and without', async () => {
    const port = await freePort();
    for (const enableOfflineQueue of [true, false]) {
      const client = new Redis(port, '127.0.0.1', { enableOfflineQueue });
      client.on('error', () => undefined);
      const test = await startApp({
        options: { limits: {}, ...extra(() => storeOn(client, 'nowhere', 200)) },
      });

      await expect(test.twoFactor.request({ token: 'ann@example.com' })).rejects.toThrow(
        TwoFactorUnavailableError,
      );
      const limits = test.app.get(LimitService, { strict: false });
      await expect(limits.reset({ subject: 'ann' })).rejects.toThrow(TwoFactorUnavailableError);
      expect(test.inbox.deliveries).toEqual([]);
      await test.close();
      client.disconnect();
    }
  });
});
