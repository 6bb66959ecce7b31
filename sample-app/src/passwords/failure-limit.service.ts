import { createHash } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, LessThanOrEqual, MoreThan, Repository } from 'typeorm';

import { Refusal } from '../http/problem.js';
import { FailureCount } from './failure-count.entity.js';

/** At most `max` wrong passwords of `party` within a period. */
export interface FailureLimit {
  /** Who is counted, such as `account ann@bank.example`. */
  readonly party: string;
  readonly max: number;
  readonly perSeconds: number;
}

/** A limit is reached: no password was compared. */
export class TooManyFailures extends Refusal {
  constructor(retryAfter: number) {
    super(429, 'too-many-failures', 'There were too many wrong passwords.', { retryAfter });
  }
}

/**
 * Counts wrong passwords. An attempt is charged before the password is compared and given back when it was right:
 * attempts that run in parallel could otherwise all pass the check before the first of them is counted.
 */
@Injectable()
export class FailureLimitService {
  constructor(@InjectRepository(FailureCount) private readonly counts: Repository<FailureCount>) {}

  /**
   * Runs `compare` if no limit is reached. Its failure stays charged when it answers `false`.
   *
   * @throws TooManyFailures when a limit is reached; `compare` did not run then.
   */
  async guard(limits: readonly FailureLimit[], compare: () => Promise<boolean>): Promise<boolean> {
    const charged: FailureLimit[] = [];
    const refund = async (): Promise<void> => {
      for (const limit of charged) await this.#refund(limit);
    };
    try {
      for (const limit of limits) {
        await this.#charge(limit);
        charged.push(limit);
      }
      const isRight = await compare();
      if (isRight) await refund();
      return isRight;
    } catch (error) {
      // Nothing was compared, so nothing was learned: a refusal by one limit leaves the others as they were.
      await refund();
      throw error;
    }
  }

  async #charge(limit: FailureLimit): Promise<void> {
    const key = keyOf(limit);
    const now = Date.now();
    const endsAt = now + limit.perSeconds * 1_000;
    await this.counts
      .createQueryBuilder()
      .insert()
      .values({ key, failures: 0, endsAt })
      .orIgnore()
      .execute();
    await this.counts.update({ key, endsAt: LessThanOrEqual(now) }, { failures: 0, endsAt });
    // Checks and counts in one statement: of parallel attempts no more than `max` get through.
    const { affected } = await this.counts.increment(
      { key, failures: LessThan(limit.max) },
      'failures',
      1,
    );
    if (affected !== 1) throw await this.#refusal(key, now);
  }

  async #refund(limit: FailureLimit): Promise<void> {
    await this.counts.decrement({ key: keyOf(limit), failures: MoreThan(0) }, 'failures', 1);
  }

  async #refusal(key: string, now: number): Promise<TooManyFailures> {
    const count = await this.counts.findOneBy({ key });
    return new TooManyFailures(Math.max(1, Math.ceil(((count?.endsAt ?? now) - now) / 1_000)));
  }
}

function keyOf({ party, perSeconds }: FailureLimit): string {
  return createHash('sha256').update(`${perSeconds} ${party}`).digest('hex');
}
