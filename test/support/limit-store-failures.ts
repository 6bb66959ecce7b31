// What every `LimitStore` promises about failures, which is a part of the contract in `limit-store-contract.ts`.
import { describe, expect, it } from 'vitest';

import type { ConsumeResult, LimitStore, QuotaRequest, QuotaUsage } from '../../lib/index.js';
import { chargedAtOnce, failureCharge, newHolder, together } from './quotas.js';

const WEEK_SECONDS = 604_800;

/** The calls of the contract on the store under test. */
export interface LimitStoreCalls {
  readonly store: () => LimitStore;
  /** Lets time pass, for the store and its clock. */
  readonly advance: (seconds: number) => Promise<void>;
  readonly charge: (...charges: readonly QuotaRequest[]) => Promise<ConsumeResult>;
  readonly chargeTimes: (times: number, ...charges: readonly QuotaRequest[]) => Promise<void>;
  readonly levelOf: (charge: QuotaRequest) => Promise<QuotaUsage>;
  readonly amountOf: (budget: QuotaRequest) => Promise<number>;
  /** What a store reports of quotas: key, amount, seconds to go. */
  readonly told: (levels: readonly QuotaUsage[]) => [string, number, number][];
  /** Fails until the next failure is the `amount`-th. */
  readonly failUntil: (amount: number, budget: QuotaRequest) => Promise<void>;
}

export function describeFailures({
  store,
  advance,
  charge,
  chargeTimes,
  levelOf,
  amountOf,
  told,
  failUntil,
}: LimitStoreCalls): void {
  describe('failures', () => {
    it('lock from the given one on, each twice as long, up to the longest', async () => {
      const budget = failureCharge();
      for (const [amount, seconds] of [
        [1, 0],
        [2, 0],
        [3, 0],
        [4, 100],
        [5, 200],
        [6, 400],
        [7, 400],
      ] as const) {
        expect(told((await charge(budget)).consumed)).toEqual([[budget.key, amount, seconds]]);
        if (seconds === 0) continue;
        await advance(seconds / 2);
        expect(told((await charge(budget)).exhausted)).toEqual([[budget.key, amount, seconds / 2]]);
        await advance(seconds / 2);
      }
    });

    it('stop at the last one for good', async () => {
      const budget = failureCharge();
      await failUntil(8, budget);
      expect(told((await charge(budget)).consumed)).toEqual([[budget.key, 8, 400]]);

      await advance(WEEK_SECONDS);

      const { exhausted } = await charge(budget);
      expect(told(exhausted)).toEqual([[budget.key, 8, 0]]);
      expect(await amountOf(budget)).toBe(8);
    });

    it('are not forgotten', async () => {
      const [few, many] = [failureCharge(), failureCharge()];
      await chargeTimes(2, few);
      await failUntil(6, many);

      await advance(WEEK_SECONDS);
      while (await store().purge?.(1_000));

      expect([await amountOf(few), await amountOf(many)]).toEqual([2, 5]);
    });

    it('allow only one of many concurrent calls before a lock', async () => {
      for (const before of [3, 4, 6]) {
        const budget = failureCharge();
        await failUntil(before + 1, budget);

        expect(await chargedAtOnce(store(), [budget])).toBe(1);
        expect(told([await levelOf(budget)])).toEqual([
          [budget.key, before + 1, Math.min(100 * 2 ** (before - 3), 400)],
        ]);
      }
    });

    it('allow, of many concurrent calls, only those up to the first lock', async () => {
      const [one, other] = [failureCharge(), failureCharge()];

      expect(await chargedAtOnce(store(), together(one, other))).toBe(4);
      expect(told(await store().read(together(one, other).map(({ key }) => key)))).toEqual(
        expect.arrayContaining([
          [one.key, 4, 100],
          [other.key, 4, 100],
        ]),
      );
    });

    it('let one of many through at the last one, and none after', async () => {
      const budget = failureCharge();
      await failUntil(8, budget);

      expect(await chargedAtOnce(store(), [budget])).toBe(1);
      await advance(400);
      expect(await chargedAtOnce(store(), [budget])).toBe(0);
      expect(await amountOf(budget)).toBe(8);
    });

    it('are as many as before when one is given back, and its lock ends', async () => {
      const budget = failureCharge();
      await chargeTimes(3, budget);
      for (let time = 0; time < 3; time += 1) {
        expect(told((await charge(budget)).consumed)).toEqual([[budget.key, 4, 100]]);
        await store().refund([budget]);
        expect(told([await levelOf(budget)])).toEqual([[budget.key, 3, 0]]);
      }
      for (let time = 0; time < 5; time += 1) await store().refund([budget]);

      expect(await chargedAtOnce(store(), [budget])).toBe(4);
    });

    it('are as many as before when many concurrent calls give theirs back', async () => {
      const budget = failureCharge({ lockAfter: 10, max: 20 });
      await chargeTimes(10, budget);

      await Promise.all(Array.from({ length: 6 }, () => store().refund([budget])));

      expect(told([await levelOf(budget)])).toEqual([[budget.key, 4, 0]]);
      expect(await chargedAtOnce(store(), [budget])).toBe(6);
    });

    it('end with a success, also when another owner charged them', async () => {
      const [locked, stopped] = [failureCharge(), failureCharge()];
      await failUntil(6, locked);
      await chargeTimes(1, locked);
      await failUntil(8, stopped);
      await chargeTimes(1, stopped);

      await store().release(
        together(locked, stopped).map(({ key }) => key),
        newHolder(),
      );

      for (const budget of [locked, stopped]) {
        expect(told([await levelOf(budget)])).toEqual([[budget.key, 0, 0]]);
        expect(told((await charge(budget)).consumed)).toEqual([[budget.key, 1, 0]]);
      }
    });
  });
}
