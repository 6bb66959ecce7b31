import type { RateLimiterRes } from 'rate-limiter-flexible';

import { TwoFactorUnavailableError } from '../../errors/index.js';
import { isExhausted, lockMsAfter } from '../../limits/store/limit-rules.js';
import type {
  FailureRule,
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
  WindowRule,
} from '../../limits/store/limit-store.interface.js';
import type { Clock } from '../../options/index.js';
import { withTimeout } from '../../with-timeout.js';
import {
  checkedOptions,
  DEFAULT_TIMEOUT_MS,
  type FlexibleLimiter,
  type RateLimiterFlexibleStoreOptions,
} from './checked-options.js';

/** A budget that was spent when it was charged and free when it was looked at why: so often, then it is too busy. */
const ROUNDS = 20;
/** A window that ends sooner is given nothing back: it could reach the next one, which then had a unit too many. */
const LAST_GIVE_BACK_MS = 500;
/** What a limiter takes for "never". */
const FOREVER_SECONDS = 0;

/**
 * Keeps the budgets in Redis, or in whatever else `rate-limiter-flexible` knows, instead of the application's database: one
 * place for several databases, and no writes in the database for what an attacker tries.
 *
 * The promises of the built-in store hold: all or nothing, no two calls get the last unit, and a store that does not answer
 * within `databaseTimeoutMs` refuses (HTTP 503). What is weaker:
 *
 * - **What Redis forgets is not limited.** Redis loses the last second at a crash (`appendfsync everysec`; `always` loses
 *   nothing; without an append-only file all since the last snapshot), a failover what was not replicated, and an eviction
 *   policy other than `noeviction` whatever it likes. `RateLimiterMemory` forgets at every restart and counts for one
 *   process alone: it is for tests, and elsewhere only with `singleProcess: true`.
 * - **Several commands instead of one statement.** A process that dies between two of them leaves a budget charged that
 *   should have been given back. Nothing is ever left uncharged. A window goes on when all of it was given back.
 * - Windows and locks are whole seconds, rounded up. Failures have no end in the store either: they stay until a success.
 *
 * Give the client no offline queue: commands that wait for a reconnection are executed after the call was refused.
 *
 * @throws TwoFactorConfigurationError for a limiter with an insurance limiter, which would count from zero while its store
 * is down, one that is not atomic, or one that counts in memory where several processes are possible. What a limiter wraps is
 * judged like itself.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({
 *   limitStore: {
 *     provide: TWO_FACTOR_LIMIT_STORE,
 *     useFactory: () =>
 *       rateLimiterFlexibleStore({
 *         limiter: new RateLimiterRedis({
 *           storeClient: new Redis({ enableOfflineQueue: false }),
 *           keyPrefix: 'two-factor',
 *           points: 1,
 *           duration: 1,
 *         }),
 *       }),
 *   },
 * });
 * ```
 * @publicApi
 */
export function rateLimiterFlexibleStore(options: RateLimiterFlexibleStoreOptions): LimitStore {
  const {
    limiter,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    clock = { now: Date.now },
  } = checkedOptions(options);
  return new RateLimiterFlexibleStore(limiter, timeoutMs, clock);
}

/** The counters of one budget of failures. */
interface Failures {
  /** Those before the first lock; for moments also what parallel calls are about to give back. */
  readonly free: number;
  /** Those that locked, one at a time: exact. */
  readonly locking: number;
  readonly lockEndsInMs: number;
}

interface Counter {
  readonly points: number;
  readonly endsInMs: number;
}

const NOTHING: Counter = { points: 0, endsInMs: 0 };

/**
 * A window is a counter. A window of one (a pending slot) is held by the call that counted it to one and is freed by deleting it, so
 * its owner is kept beside it. Failures are two counters and a lock, which is a window of one again: as long as it lasts,
 * nobody else gets through.
 */
class RateLimiterFlexibleStore implements LimitStore {
  constructor(
    private readonly limiter: FlexibleLimiter,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
  ) {}

  async consume(charges: readonly QuotaRequest[], owner: string): Promise<ConsumeResult> {
    const spending = charges.filter(({ checkOnly }) => !checkOnly);
    for (let round = 0; round < ROUNDS; round += 1) {
      const refused = await this.#spent(charges);
      if (refused.length > 0 || spending.length === 0) return { exhausted: refused, consumed: [] };
      const charged = await this.#tryCharge(spending, owner);
      if (charged !== null) return { exhausted: [], consumed: charged };
    }
    throw new TwoFactorUnavailableError('The limits are contended. Try again.');
  }

  async refund(charges: readonly QuotaRequest[]): Promise<void> {
    await Promise.all(charges.map((charge) => this.#refundOne(charge)));
  }

  async release(keys: readonly string[], owner?: string): Promise<void> {
    await Promise.all(
      keys.map(async (key) => {
        const [held] = await Promise.all([
          this.#count(`${key}:owner`),
          this.#delete(`${key}:free`),
          this.#delete(`${key}:locking`),
          this.#delete(`${key}:lock`),
        ]);
        if (owner === undefined) await this.#delete(`${key}:window`);
        else if (held.points !== holderNumber(owner)) return;
        await this.#freePlace(key);
      }),
    );
  }

  async read(keys: readonly string[]): Promise<QuotaUsage[]> {
    const levels = await Promise.all(
      keys.map(async (key) => {
        const [window, place, { free, locking, lockEndsInMs }] = await Promise.all([
          this.#count(`${key}:window`),
          this.#count(`${key}:place`),
          this.#failures(key),
        ]);
        const amount = window.points + Math.min(place.points, 1) + free + locking;
        return this.#level(key, amount, Math.max(window.endsInMs, place.endsInMs, lockEndsInMs));
      }),
    );
    return levels.filter(({ amount, endsAt }) => amount > 0 || endsAt > 0);
  }

  async #spent(charges: readonly QuotaRequest[]): Promise<QuotaUsage[]> {
    const levels = await Promise.all(charges.map((charge) => this.#levelOf(charge)));
    const now = this.clock.now();
    return levels.filter((level, index) => isExhausted(level, charges[index]!, now));
  }

  async #levelOf({ key, rule }: QuotaRequest): Promise<QuotaUsage> {
    if (rule.kind === 'failures') {
      const failures = await this.#failures(key);
      return this.#level(key, amountOf(failures, rule), failures.lockEndsInMs);
    }
    const { points, endsInMs } = await this.#count(windowName(key, rule));
    return this.#level(key, Math.min(points, rule.max), endsInMs);
  }

  /** `null` when one of them was refused after all; then none is charged. */
  async #tryCharge(
    spending: readonly QuotaRequest[],
    owner: string,
  ): Promise<readonly QuotaUsage[] | null> {
    const levels: QuotaUsage[] = [];
    try {
      // In the order of their keys, one after the other: who got the last of the first one is alone at the second.
      for (const { key, rule } of spending) {
        const level =
          rule.kind === 'failures'
            ? await this.#takeFailure(key, rule)
            : await this.#takeUnit(key, rule, owner);
        if (level === null) break;
        levels.push(level);
      }
    } catch (error) {
      // If this is refused too, they stay charged: the safe side.
      await this.refund(spending.slice(0, levels.length)).catch(() => undefined);
      throw error;
    }
    if (levels.length === spending.length) return levels;
    await this.refund(spending.slice(0, levels.length));
    return null;
  }

  async #takeUnit(key: string, rule: WindowRule, owner: string): Promise<QuotaUsage | null> {
    const name = windowName(key, rule);
    const { points, endsInMs } = await this.#add(name, secondsOf(rule.windowMs));
    if (points <= rule.max) {
      if (isPlace(rule)) await this.#keepHolder(key, owner, endsInMs);
      return this.#level(key, points, endsInMs);
    }
    // Nobody counts how often a place was asked for in vain.
    if (!isPlace(rule)) await this.#refundOne({ key, rule });
    return null;
  }

  async #takeFailure(key: string, rule: FailureRule): Promise<QuotaUsage | null> {
    const seen = await this.#failures(key);
    const next = amountOf(seen, rule) + 1;
    if (next < rule.lockAfter) {
      const { points } = await this.#add(`${key}:free`, FOREVER_SECONDS);
      const amount = points + seen.locking;
      if (amount < rule.lockAfter) return this.#level(key, amount, 0);
      await this.#takeAway(`${key}:free`, FOREVER_SECONDS);
      return null;
    }
    const lock = await this.#add(`${key}:lock`, lockSeconds(next, rule));
    if (lock.points > 1) return null;
    // Whoever counts here holds the lock, and is alone.
    const { points: locking } = await this.#add(`${key}:locking`, FOREVER_SECONDS);
    const amount = amountOf({ ...seen, locking }, rule);
    if (amount === next) return this.#level(key, amount, lock.endsInMs);
    // Another lock began and ended since it was looked at.
    const seconds = lockSeconds(amount, rule);
    await this.#ask((limiter) => limiter.set(`${key}:lock`, 1, seconds));
    if (amount <= rule.max) return this.#level(key, amount, seconds * 1_000);
    await this.#takeAway(`${key}:locking`, FOREVER_SECONDS);
    return null;
  }

  async #refundOne({ key, rule }: Pick<QuotaRequest, 'key' | 'rule'>): Promise<void> {
    if (rule.kind === 'failures') return this.#refundFailure(key);
    if (isPlace(rule)) return this.#freePlace(key);
    const name = windowName(key, rule);
    const { points, endsInMs } = await this.#count(name);
    if (points < 1 || endsInMs < LAST_GIVE_BACK_MS) return;
    await this.#takeAway(name, secondsOf(rule.windowMs));
  }

  async #refundFailure(key: string): Promise<void> {
    const { free, locking } = await this.#failures(key);
    if (locking > 0 && (await this.#takeAway(`${key}:locking`, FOREVER_SECONDS))) {
      // The lock that the failure had caused. Last, so that the next one counts from what is right.
      await this.#delete(`${key}:lock`);
    } else if (free > 0) await this.#takeAway(`${key}:free`, FOREVER_SECONDS);
  }

  /** The owner first: as long as the place is taken, the owner beside it is nobody else's. */
  async #freePlace(key: string): Promise<void> {
    await this.#delete(`${key}:owner`);
    await this.#delete(`${key}:place`);
  }

  async #keepHolder(key: string, owner: string, endsInMs: number): Promise<void> {
    // Forgotten before the place is free, so that it is never taken for the next one's.
    const seconds = Math.floor(endsInMs / 1_000) - 1;
    if (seconds < 1) return;
    await this.#ask((limiter) => limiter.set(`${key}:owner`, holderNumber(owner), seconds));
  }

  async #failures(key: string): Promise<Failures> {
    const [free, locking, lock] = await Promise.all([
      this.#count(`${key}:free`),
      this.#count(`${key}:locking`),
      this.#count(`${key}:lock`),
    ]);
    return { free: free.points, locking: locking.points, lockEndsInMs: lock.endsInMs };
  }

  #level(key: string, amount: number, endsInMs: number): QuotaUsage {
    return { key, amount, endsAt: endsInMs > 0 ? this.clock.now() + endsInMs : 0 };
  }

  async #count(name: string): Promise<Counter> {
    return counterOf(await this.#ask((limiter) => limiter.get(name)));
  }

  /** One more. `seconds` begin if this is the first. */
  async #add(name: string, seconds: number): Promise<Counter> {
    return counterOf(
      await this.#ask((limiter) => limiter.penalty(name, 1, { customDuration: seconds })),
    );
  }

  /** One less; false if there was none, and then there is none still. */
  async #takeAway(name: string, seconds: number): Promise<boolean> {
    const { consumedPoints } = await this.#ask((limiter) =>
      limiter.reward(name, 1, { customDuration: seconds }),
    );
    if (consumedPoints >= 0) return true;
    await this.#add(name, seconds);
    return false;
  }

  async #delete(name: string): Promise<void> {
    await this.#ask((limiter) => limiter.delete(name));
  }

  async #ask<T>(question: (limiter: FlexibleLimiter) => Promise<T>): Promise<T> {
    return withTimeout(this.timeoutMs, () => question(this.limiter));
  }
}

function isPlace(rule: WindowRule): boolean {
  return rule.max === 1;
}

function windowName(key: string, rule: WindowRule): string {
  return `${key}:${isPlace(rule) ? 'place' : 'window'}`;
}

/** What stays below the first lock can never amount to it. */
function amountOf({ free, locking }: Failures, { lockAfter }: FailureRule): number {
  return Math.min(free, lockAfter - 1) + locking;
}

function lockSeconds(amount: number, rule: FailureRule): number {
  return secondsOf(lockMsAfter(Math.max(amount, rule.lockAfter), rule));
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** Stores keep integers of 32 bits. Of the few confirmations that one place ever has, no two share it by accident. */
function holderNumber(owner: string): number {
  return Number.parseInt(owner.slice(0, 8), 16) >>> 1 || 1;
}

/** Less than nothing is about to be put right, and a counter without end says -1. */
function counterOf(answer: RateLimiterRes | null): Counter {
  if (answer === null) return NOTHING;
  const { consumedPoints, msBeforeNext } = answer;
  return { points: Math.max(consumedPoints, 0), endsInMs: Math.max(msBeforeNext, 0) };
}
