// How long counters are kept, and that several applications count the same.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitRecord,
  LimitService,
  TWO_FACTOR_LIMIT_STORE,
  type QuotaRequest,
  type LimitStore,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { failureCharge, newHolder, windowCharge } from '../support/quotas.js';
import { refusal } from '../support/refusal.js';
import { secretOf } from '../support/secret.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const DAY_SECONDS = 86_400;

describe.each(engines)('The rows of the limits on %s', (engine) => {
  let test: TestApp;
  let limits: LimitService;
  let store: LimitStore;
  let next = 0;

  const newAddress = (): string => `user${(next += 1)}@example.com`;
  const rows = async (): Promise<LimitRecord[]> =>
    test.dataSource.getRepository(LimitRecord).find({ order: { id: 'ASC' } });
  const count = async (token: string): Promise<number> => (await limits.failures({ token })).count;
  const guess = async (token: string, times: number, app = test): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      const { id } = await app.confirmer.makeConfirmation({ token });
      expect((await app.confirmer.confirm(id, WRONG_CODE))[1]).toBe(false);
      await app.confirmer.cancel(id);
    }
  };

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
    limits = test.app.get(LimitService, { strict: false });
    store = test.app.get<LimitStore>(TWO_FACTOR_LIMIT_STORE, { strict: false });
  });
  afterAll(() => test.close());

  it('are forgotten when their time has run out, but for failures', async () => {
    const token = newAddress();
    await guess(token, 3);
    await test.twoFactor.request({ token });
    test.clock.advance(3 * DAY_SECONDS);

    await test.confirmer.purge({ batchSize: 7 });

    expect(new Set((await rows()).map(({ kind }) => kind))).toEqual(new Set(['failures']));
    expect(await count(token)).toBe(3);
  });

  it('of failures are deleted a year after their last change, and not before', async () => {
    const [few, locked, kept] = [newAddress(), newAddress(), newAddress()];
    await guess(few, 3);
    await guess(locked, 10);
    await guess(kept, 3);
    // Asking for a code is no failure, and keeps nothing.
    test.clock.advance(200 * DAY_SECONDS);
    await guess(kept, 1);
    for (const token of [few, locked]) await test.confirmer.makeConfirmation({ token });
    test.clock.advance(164 * DAY_SECONDS);
    await test.confirmer.purge();
    expect(await Promise.all([few, locked, kept].map(count))).toEqual([3, 10, 4]);

    // A lock is kept a year and a day after its end.
    test.clock.advance(2.1 * DAY_SECONDS);
    await test.confirmer.purge({ batchSize: 2 });

    expect(await Promise.all([few, locked, kept].map(count))).toEqual([0, 0, 4]);
    test.clock.advance(200 * DAY_SECONDS);
    await test.confirmer.purge();
    expect(await count(kept)).toBe(0);
    expect(await rows()).toEqual([]);
  });

  it('of a permanent lock are kept for ever', async () => {
    const strict = await startApp({
      engine,
      options: { limits: { failures: { lockAfter: 3, permanentLockAfter: 4 } } },
    });
    const ofStrict = strict.app.get(LimitService, { strict: false });
    const token = newAddress();
    await guess(token, 3, strict);
    strict.clock.advance(30);
    await guess(token, 1, strict);

    for (let year = 0; year < 3; year += 1) {
      strict.clock.advance(366 * DAY_SECONDS);
      await strict.confirmer.purge();
    }

    expect(await ofStrict.failures({ token })).toMatchObject({
      count: 4,
      isPermanentlyLocked: true,
    });
    expect(await refusal(strict.confirmer.makeConfirmation({ token }))).toEqual([
      429,
      'failures',
      null,
    ]);
    await strict.close();
  });

  it('get an end one day before their last change when a failure below the lock is charged or given back', async () => {
    const unlocked = -DAY_SECONDS;
    const budget = failureCharge({ lockAfter: 3 });
    const endsIn = async (): Promise<number | null> => {
      const row = (await rows()).find(({ id }) => id === budget.key);
      return row === undefined ? null : (row.endsAt - test.clock.now()) / 1_000;
    };
    const charge = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time += 1) {
        expect((await store.consume([budget], newHolder())).exhausted).toEqual([]);
      }
    };
    await charge(2);
    expect(await endsIn()).toBe(unlocked);
    test.clock.advance(50);
    expect(await endsIn()).toBe(unlocked - 50);
    // Looking at it is no change.
    await store.consume([{ ...budget, checkOnly: true }], newHolder());
    expect(await endsIn()).toBe(unlocked - 50);

    await charge(1);
    expect(await endsIn()).toBe(100);
    // The lock ends with the failure that caused it, and the count begins its year now.
    test.clock.advance(20);
    await store.refund([budget]);
    expect(await endsIn()).toBe(unlocked);
    test.clock.advance(20);
    await store.refund([budget]);
    expect(await endsIn()).toBe(unlocked);

    // A longer lock stays.
    await charge(2);
    test.clock.advance(100);
    await charge(1);
    expect(await endsIn()).toBe(200);
    await store.refund([budget]);
    expect(await endsIn()).toBe(200);
    // Nothing is left to be kept.
    for (let time = 0; time < 5; time += 1) await store.refund([budget]);
    const row = (await rows()).find(({ id }) => id === budget.key);
    expect([row?.amount, row?.endsAt]).toEqual([0, 0]);
  });

  it('of a window keep their end when a message is given back, and lose it with the last one', async () => {
    const budget: QuotaRequest = windowCharge(5);
    const startedAt = test.clock.now();
    for (const _ of [1, 2]) await store.consume([budget], newHolder());
    test.clock.advance(10);

    await store.refund([budget]);
    expect(await store.read([budget.key])).toMatchObject([
      { amount: 1, endsAt: startedAt + 1_000_000 },
    ]);
    await store.refund([budget]);
    const row = (await rows()).find(({ id }) => id === budget.key);
    expect([row?.amount, row?.endsAt]).toEqual([0, 0]);
  });
});

// An sql.js database is seen by one application alone.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Limits that several applications share on %s',
  (engine) => {
    let test: TestApp;
    let limits: LimitService;
    let next = 0;
    const newAddress = (): string => `user${(next += 1)}@example.com`;

    beforeAll(async () => {
      test = await startApp({ engine, options: { limits: {} } });
      limits = test.app.get(LimitService, { strict: false });
    });
    afterAll(() => test.close());

    it.each([
      ['a token that clients name', false, 300],
      ["a subject's own token", true, 30],
    ])(
      'count the same for %s under an old secret, a new one beside it, and the new one alone',
      async (_, isBound, wait) => {
        const NEW_SECRET = secretOf('the new secret of the ring');
        const start = async (secrets: readonly string[]): Promise<TestApp> =>
          startApp({
            engine,
            database: test.database,
            options: { secret: undefined, secrets, limits: { pending: false }, clock: test.clock },
          });
        const token = newAddress();
        const scope = isBound ? { token, subject: newAddress() } : { token };
        let purposes = 0;
        const guessAt = async (app: TestApp, times: number): Promise<unknown> => {
          let last: unknown;
          for (let time = 0; time < times; time += 1) {
            const purpose = `p${(purposes += 1)}`;
            const made = app.confirmer.makeConfirmation({ ...scope, purpose });
            last = await refusal(made.then(({ id }) => app.confirmer.confirm(id, WRONG_CODE)));
          }
          return last;
        };
        const both = await start([NEW_SECRET, SECRET]);
        expect(await guessAt(test, 4)).toBe('accepted');
        expect(await guessAt(both, 6)).toBe('accepted');
        expect(await guessAt(both, 1)).toEqual([429, 'failures', wait]);
        expect(await guessAt(test, 1)).toEqual([429, 'failures', wait]);
        expect(await limits.failures(scope)).toMatchObject({ count: 10 });

        const alone = await start([NEW_SECRET]);
        const { count } = await alone.app.get(LimitService, { strict: false }).failures(scope);
        expect(count).toBe(6);
        for (const app of [both, alone]) await app.app.close();
      },
    );

    it.each([0.05, 5, 600])(
      'are no lock when the clock of another instance is %d seconds behind',
      async (seconds) => {
        const [token, subject] = [newAddress(), newAddress()];
        const behind = await startApp({
          engine,
          database: test.database,
          options: { limits: {}, clock: { now: () => test.clock.now() - seconds * 1_000 } },
        });
        for (const input of [{ token }, { token, subject }]) {
          const { state } = await test.twoFactor.request(input);
          expect((await test.confirmer.confirm(state.id, WRONG_CODE))[1]).toBe(false);

          expect(await refusal(behind.twoFactor.request(input))).toBe('accepted');
          const [after] = await behind.confirmer.confirm(state.id, WRONG_CODE);
          expect(after?.attemptsLeft).toBe(3);
          expect((await behind.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
        }
        await behind.app.close();
      },
    );

    it('are not refused for years when the clock of one machine was ten years ahead', async () => {
      const [token, subject] = [newAddress(), newAddress()];
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
      expect(await refusal(ahead.twoFactor.request(login))).toEqual([429, 'failures', 30]);
      await ahead.app.close();

      expect(await refusal(test.twoFactor.request(login))).toBe('accepted');
      expect(await limits.failures({ subject, token })).toMatchObject({ count: 10 });
    });
  },
);
