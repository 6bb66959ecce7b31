// What every `LimitStore` promises. Times are told to ten seconds: a store with a clock of its own counts on while it is
// asked.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type {
  Clock,
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
} from '../../lib/index.js';
import { describeFailures } from './limit-store-failures.js';
import {
  AT_ONCE,
  newHolder,
  windowCharge,
  failureCharge,
  together,
  chargedAtOnce,
} from './quotas.js';

export interface LimitStoreUnderTest {
  readonly store: LimitStore;
  readonly clock: Clock;
  /** Lets time pass, for the store and its clock. */
  advance(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export function describeLimitStore(open: () => Promise<LimitStoreUnderTest>): void {
  let test: LimitStoreUnderTest;

  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());

  const charge = (...charges: readonly QuotaRequest[]): Promise<ConsumeResult> =>
    test.store.consume(together(...charges), newHolder());
  const chargeTimes = async (times: number, ...charges: readonly QuotaRequest[]): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      expect((await charge(...charges)).exhausted).toEqual([]);
    }
  };
  const levelOf = async ({ key }: QuotaRequest): Promise<QuotaUsage> => {
    const [level, ...others] = await test.store.read([key]);
    expect(others).toEqual([]);
    return level ?? { key, amount: 0, endsAt: 0 };
  };
  const amountOf = async (budget: QuotaRequest): Promise<number> => (await levelOf(budget)).amount;
  /** What a store reports of quotas: key, amount, seconds to go. */
  const told = (levels: readonly QuotaUsage[]): [string, number, number][] =>
    levels.map(({ key, amount, endsAt }) => [key, amount, secondsTo(endsAt)]);
  const secondsTo = (endsAt: number): number =>
    Math.ceil(Math.max(endsAt - test.clock.now(), 0) / 10_000) * 10;
  /** Fails until the next failure is the `amount`-th. */
  const failUntil = async (amount: number, budget: QuotaRequest): Promise<void> => {
    while ((await amountOf(budget)) < amount - 1) {
      await chargeTimes(1, budget);
      await test.advance(400);
    }
  };

  describe('a window', () => {
    it('lets as many through as there are, from the first on, and then a new window', async () => {
      const [three, other] = [windowCharge(3), windowCharge(3)];
      expect(told((await charge(three)).consumed)).toEqual([[three.key, 1, 1_000]]);
      await test.advance(500);
      expect(told((await charge(three)).consumed)).toEqual([[three.key, 2, 500]]);
      expect(told((await charge(three)).consumed)).toEqual([[three.key, 3, 500]]);

      const { exhausted, consumed } = await charge(three);

      expect([told(exhausted), consumed]).toEqual([[[three.key, 3, 500]], []]);
      expect(told((await charge(other)).consumed)).toEqual([[other.key, 1, 1_000]]);
      await test.advance(500);
      expect(told((await charge(three)).consumed)).toEqual([[three.key, 1, 1_000]]);
    });

    it('gives its last unit to only one of many concurrent calls', async () => {
      const budget = windowCharge(5);
      await chargeTimes(4, budget);

      expect(await chargedAtOnce(test.store, [budget])).toBe(1);
      expect(await amountOf(budget)).toBe(5);
    });

    it('lets exactly as many through as there are, of many that come at once', async () => {
      const budget = windowCharge(7);

      expect(await chargedAtOnce(test.store, [budget])).toBe(7);
      expect(await amountOf(budget)).toBe(7);
    });

    it('goes on when a unit is given back, and never has more than all', async () => {
      const budget = windowCharge(2);
      await chargeTimes(2, budget);
      await test.advance(500);

      await test.store.refund([budget]);
      expect(told(await test.store.read([budget.key]))).toEqual([[budget.key, 1, 500]]);
      for (let time = 0; time < 4; time += 1) await test.store.refund([budget]);

      await chargeTimes(2, budget);
      expect((await charge(budget)).exhausted).toHaveLength(1);
    });

    it('has no more than all when a unit of the last one is given back', async () => {
      const budget = windowCharge(2);
      await chargeTimes(2, budget);
      await test.advance(1_000);

      await test.store.refund([budget]);

      expect(await chargedAtOnce(test.store, [budget])).toBe(2);
    });

    it('does not change when another owner releases it', async () => {
      const [many, place] = [windowCharge(3), windowCharge(1)];
      await chargeTimes(3, many);
      await chargeTimes(1, place);

      await test.store.release(
        together(many, place).map(({ key }) => key),
        newHolder(),
      );

      expect((await charge(many)).exhausted).toHaveLength(1);
      expect((await charge(place)).exhausted).toHaveLength(1);
    });
  });

  describe('everything', () => {
    it('ends by a reset, also when another owner charged it', async () => {
      const [many, place, failures] = [windowCharge(3), windowCharge(1), failureCharge()];
      const all = together(many, place, failures);
      await chargeTimes(2, many, failures);
      await chargeTimes(1, ...all);
      await chargeTimes(1, failures);
      expect((await charge(...all)).exhausted).toHaveLength(3);

      await test.store.release(all.map(({ key }) => key));

      expect(await Promise.all(all.map(amountOf))).toEqual([0, 0, 0]);
      expect(told((await charge(...all)).consumed)).toEqual(
        expect.arrayContaining([
          [many.key, 1, 1_000],
          [place.key, 1, 1_000],
          [failures.key, 1, 0],
        ]),
      );
    });
  });

  describe('a place', () => {
    it('is free, for its whole time, once its owner clears it', async () => {
      const place = windowCharge(1);
      const [one, other] = [newHolder(), newHolder()];
      await test.store.consume([place], one);
      expect(await chargedAtOnce(test.store, [place])).toBe(0);
      await test.advance(500);

      await test.store.release([place.key], other);
      expect(await chargedAtOnce(test.store, [place])).toBe(0);
      await test.store.release([place.key], one);

      expect(await amountOf(place)).toBe(0);
      expect(told((await test.store.consume([place], other)).consumed)).toEqual([
        [place.key, 1, 1_000],
      ]);
      // It is no longer the first one's.
      await test.store.release([place.key], one);
      expect(told((await charge(place)).exhausted)).toEqual([[place.key, 1, 1_000]]);
    });

    it('is not its former owner’s after it was given back, or has ended', async () => {
      const place = windowCharge(1);
      const holders = [newHolder(), newHolder(), newHolder()] as const;
      await test.store.consume([place], holders[0]);
      await test.store.refund([place]);
      await test.store.consume([place], holders[1]);
      await test.store.release([place.key], holders[0]);
      expect((await charge(place)).exhausted).toHaveLength(1);

      await test.advance(1_000);
      await test.store.consume([place], holders[2]);
      await test.store.release([place.key], holders[1]);

      expect((await charge(place)).exhausted).toHaveLength(1);
    });

    it('is taken by one of many that come at once, each time it is free', async () => {
      const place = windowCharge(1);

      expect(await chargedAtOnce(test.store, [place])).toBe(1);
      await test.store.refund([place]);
      expect(await chargedAtOnce(test.store, [place])).toBe(1);
      expect(await amountOf(place)).toBe(1);
      expect(told((await charge(place)).exhausted)).toEqual([[place.key, 1, 1_000]]);
    });
  });

  describeFailures({
    store: () => test.store,
    advance: (seconds) => test.advance(seconds),
    charge,
    chargeTimes,
    levelOf,
    amountOf,
    told,
    failUntil,
  });

  describe('several budgets', () => {
    it('are charged all, or none when one of them is spent', async () => {
      const [many, place, few] = [windowCharge(9), windowCharge(1), windowCharge(2)];
      const failures = failureCharge();
      const all = [many, place, few, failures];
      await chargeTimes(2, few);
      await chargeTimes(3, failures);

      expect(told((await charge(...all)).exhausted)).toEqual([[few.key, 2, 1_000]]);
      expect(await Promise.all(all.map(amountOf))).toEqual([0, 0, 2, 3]);

      await test.store.refund([few]);
      const { exhausted, consumed } = await charge(...all);
      expect(exhausted).toEqual([]);
      expect(told(consumed)).toEqual(
        expect.arrayContaining([
          [many.key, 1, 1_000],
          [place.key, 1, 1_000],
          [few.key, 2, 1_000],
          [failures.key, 4, 100],
        ]),
      );
      expect((await charge(...all)).exhausted.map(({ key }) => key).toSorted()).toEqual(
        [place.key, few.key, failures.key].toSorted(),
      );
    });

    it('are charged all or none, however many calls are concurrent', async () => {
      // The scarce one stands now before and now behind the others.
      for (const scarce of [windowCharge(3), windowCharge(1), failureCharge({ lockAfter: 3 })]) {
        const plenty = [windowCharge(AT_ONCE), windowCharge(AT_ONCE), windowCharge(AT_ONCE)];
        const expected = scarce.rule.kind === 'failures' ? 3 : scarce.rule.max;

        expect(await chargedAtOnce(test.store, together(scarce, ...plenty))).toBe(expected);
        expect(await Promise.all([scarce, ...plenty].map(amountOf))).toEqual(
          Array.from({ length: 4 }, () => expected),
        );
      }
    });

    it('are looked at without being charged', async () => {
      const [window, failures] = [windowCharge(2), failureCharge()];
      await chargeTimes(1, window);
      await chargeTimes(4, failures);
      const look = (budget: QuotaRequest): QuotaRequest => ({ ...budget, checkOnly: true });
      const other = windowCharge(5);

      expect((await charge(look(window))).exhausted).toEqual([]);
      expect((await charge(look(window), other)).consumed.map(({ key }) => key)).toEqual([
        other.key,
      ]);
      expect(told((await charge(look(failures), look(window), other)).exhausted)).toEqual([
        [failures.key, 4, 100],
      ]);
      await test.advance(100);
      await chargeTimes(2, look(failures), look(window));

      expect(await Promise.all([window, failures, other].map(amountOf))).toEqual([1, 4, 1]);
    });

    it('are read where they have a level', async () => {
      const [window, failures, none] = [windowCharge(2), failureCharge(), windowCharge(2)];
      await chargeTimes(2, window);
      await chargeTimes(4, failures);

      const levels = await test.store.read([window, failures, none].map(({ key }) => key));

      expect(levels).toHaveLength(2);
      expect(told(levels)).toEqual(
        expect.arrayContaining([
          [window.key, 2, 1_000],
          [failures.key, 4, 100],
        ]),
      );
      expect(await test.store.read([])).toEqual([]);
      expect(await test.store.consume([], newHolder())).toEqual({ exhausted: [], consumed: [] });
    });

    it('add up what many concurrent calls add to counters of other keys', async () => {
      const [one, other] = [windowCharge(2), windowCharge(2)];
      const endsAt = test.clock.now() + 1_000_000;
      const additions = [one, other]
        .map(({ key }) => ({ key, amount: 3, endsAt }))
        .toSorted((left, right) => (left.key < right.key ? -1 : 1));

      await Promise.all(Array.from({ length: AT_ONCE }, () => test.store.add!(additions)));
      await test.store.add!([]);

      expect(told(await test.store.read([one.key]))).toEqual([[one.key, AT_ONCE * 3, 1_000]]);
      expect(await amountOf(other)).toBe(AT_ONCE * 3);
    });
  });
}
