import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  FailureLimitService,
  type FailureLimit,
} from '../../sample-app/src/passwords/failure-limit.service.js';
import { startBank, type Bank } from '../support/bank.js';
import { servers } from '../support/engines.js';

const limit = (party: string): FailureLimit => ({ party, max: 5, perSeconds: 900 });

/** Looks first and counts afterwards: what one would write without thinking of parallel requests. */
async function naiveGuard(
  dataSource: DataSource,
  counts: Map<string, number>,
  { party, max }: FailureLimit,
  compare: () => Promise<boolean>,
): Promise<boolean> {
  await dataSource.query('SELECT 1');
  if ((counts.get(party) ?? 0) >= max) throw new Error('Too many.');
  const isRight = await compare();
  if (!isRight) counts.set(party, (counts.get(party) ?? 0) + 1);
  return isRight;
}

describe.each(['sqljs', ...servers] as const)('The limit of wrong passwords on %s', (engine) => {
  let bank: Bank;
  let limits: FailureLimitService;

  beforeAll(async () => {
    bank = await startBank({ engine });
    limits = bank.app.get(FailureLimitService, { strict: false });
  });

  afterAll(() => bank?.close());

  /** Forty attempts at once. @returns how many were compared. */
  async function compared(
    guard: (compare: () => Promise<boolean>) => Promise<boolean>,
  ): Promise<number> {
    let count = 0;
    const compare = async (): Promise<boolean> => {
      count += 1;
      // As a comparison does, it ends later than it begins.
      await bank.dataSource.query('SELECT 1');
      return false;
    };
    await Promise.allSettled(Array.from({ length: 40 }, () => guard(compare)));
    return count;
  }

  it('compares as many as it allows when forty come at once, and its naive twin compares more', async () => {
    const counts = new Map<string, number>();
    expect(await compared((compare) => limits.guard([limit('parallel')], compare))).toBe(5);
    expect(
      await compared((compare) => naiveGuard(bank.dataSource, counts, limit('naive'), compare)),
    ).toBeGreaterThan(5);
  });

  it('charges neither right passwords, nor attempts that another limit or a failure stopped', async () => {
    const [narrow, wide] = [{ ...limit('narrow'), max: 1 }, limit('wide')];
    const wrong = async (): Promise<boolean> => false;
    for (let index = 0; index < 10; index += 1) {
      expect(await limits.guard([wide], async () => true)).toBe(true);
      const broken = limits.guard([wide], () => Promise.reject(new Error('broken')));
      await expect(broken).rejects.toThrow('broken');
    }
    expect(await limits.guard([wide, narrow], wrong)).toBe(false);
    for (let index = 0; index < 10; index += 1) {
      await expect(limits.guard([wide, narrow], wrong)).rejects.toMatchObject({ status: 429 });
    }
    for (let index = 0; index < 4; index += 1)
      expect(await limits.guard([wide], wrong)).toBe(false);
    await expect(limits.guard([wide], wrong)).rejects.toMatchObject({ status: 429 });
  });

  it('begins anew when its period is over', async () => {
    const wrong = async (): Promise<boolean> => false;
    for (let index = 0; index < 5; index += 1) await limits.guard([limit('period')], wrong);
    await expect(limits.guard([limit('period')], wrong)).rejects.toMatchObject({ status: 429 });

    await bank.dataSource.query('UPDATE bank_failure_count SET ends_at = 1');
    expect(await limits.guard([limit('period')], wrong)).toBe(false);
    expect(await compared((compare) => limits.guard([limit('period')], compare))).toBe(4);
  });
});
