import { consumeWithRetry } from '../../limits/store/consume-with-retry.js';
import { isExhausted, lockMsAfter } from '../../limits/store/limit-rules.js';
import type {
  ConsumeResult,
  FailureRule,
  LimitStore,
  QuotaAddition,
  QuotaRequest,
  QuotaUsage,
  WindowRule,
} from '../../limits/store/limit-store.interface.js';
import type { Clock } from '../../options/index.js';
import {
  checkedOptions,
  DEFAULT_TIMEOUT_MS,
  type RateLimiterFlexibleStoreOptions,
} from './checked-options.js';
import { FOREVER_SECONDS, LimiterCounters } from './limiter-counters.js';

/** A window that ends sooner is not refunded, because the refund could reach the next window and give it an extra unit. */
const MIN_REFUND_MS = 500;

/**
 * Keeps the quotas in Redis, or in another store that `rate-limiter-flexible` supports, instead of the application's
 * database: one place for several databases, and no writes in the database for refused requests.
 *
 * The guarantees of the built-in store hold: a request consumes all of its quotas or none, no two calls get the last unit,
 * and a store that does not answer within `timeoutMs` refuses (HTTP 503). Three guarantees are weaker:
 *
 * - **Data that Redis loses is no longer limited.** A crash loses the last second (`appendfsync everysec`), nothing
 *   (`always`), or everything since the last snapshot (no append-only file); a failover loses what was not replicated; an
 *   eviction policy other than `noeviction` may delete any quota. `RateLimiterMemory` loses everything at a restart and
 *   counts in one process only: it is for tests, and elsewhere only with `singleProcess: true`.
 * - **Several commands instead of one statement.** A process that dies between two of them leaves a quota consumed that
 *   should have been refunded. No quota is left unconsumed. A window continues after all of it was refunded.
 * - Windows and locks are whole seconds, rounded up. Failures have no end in the store either: they stay until a success.
 *
 * Create the client without an offline queue: commands that wait for a reconnection are executed after the call was refused.
 *
 * @throws TwoFactorConfigurationError for a limiter with an insurance limiter, which would count from zero while its store
 * is down, one that is not atomic, or one that counts in memory where several processes are possible. The same rules apply to
 * a limiter inside of a wrapper.
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
  return new RateLimiterFlexibleStore(new LimiterCounters(limiter, timeoutMs), clock);
}

/** The counters of rate-limiter-flexible that together hold one quota of wrong codes. */
interface FailureCounters {
  /** Wrong codes before the first lock. It may include those of concurrent calls that are refunded in a moment. */
  readonly free: number;
  /** Wrong codes that each began a lock. The number is exact: while a lock lasts, only the call that began it changes the number. */
  readonly locking: number;
  readonly lockEndsInMs: number;
}

/**
 * A window is one counter. A slot is a window of one unit: the call that counted it to one holds it, deleting it frees it, and
 * a second counter names its owner. Failures are two counters and a lock, which is a window of one unit: while it lasts, only
 * its owner continues.
 */
class RateLimiterFlexibleStore implements LimitStore {
  constructor(
    private readonly counters: LimiterCounters,
    private readonly clock: Clock,
  ) {}

  async consume(requests: readonly QuotaRequest[], owner: string): Promise<ConsumeResult> {
    const spending = requests.filter(({ checkOnly }) => !checkOnly);
    return consumeWithRetry(async () => {
      const exhausted = await this.#exhaustedOf(requests);
      if (exhausted.length > 0 || spending.length === 0) return { exhausted, consumed: [] };
      const consumed = await this.#tryConsume(spending, owner);
      return consumed === null ? null : { exhausted: [], consumed };
    });
  }

  async refund(requests: readonly QuotaRequest[]): Promise<void> {
    await Promise.all(requests.map((request) => this.#refundOne(request)));
  }

  async release(keys: readonly string[], owner?: string): Promise<void> {
    await Promise.all(
      keys.map(async (key) => {
        const [current] = await Promise.all([
          this.counters.read(`${key}:owner`),
          this.counters.delete(`${key}:free`),
          this.counters.delete(`${key}:locking`),
          this.counters.delete(`${key}:lock`),
        ]);
        if (owner === undefined) await this.counters.delete(`${key}:window`);
        else if (current.points !== ownerNumber(owner)) return;
        await this.#freeSlot(key);
      }),
    );
  }

  async read(keys: readonly string[]): Promise<QuotaUsage[]> {
    const usages = await Promise.all(
      keys.map(async (key) => {
        const [window, slot, { free, locking, lockEndsInMs }] = await Promise.all([
          this.counters.read(`${key}:window`),
          this.counters.read(`${key}:slot`),
          this.#failures(key),
        ]);
        const amount = window.points + Math.min(slot.points, 1) + free + locking;
        return this.#usage(key, amount, Math.max(window.endsInMs, slot.endsInMs, lockEndsInMs));
      }),
    );
    return usages.filter(({ amount, endsAt }) => amount > 0 || endsAt > 0);
  }

  async add(additions: readonly QuotaAddition[]): Promise<void> {
    const now = this.clock.now();
    await Promise.all(
      additions.map(({ key, amount, endsAt }) =>
        this.counters.increment(`${key}:window`, Math.max(1, secondsOf(endsAt - now)), amount),
      ),
    );
  }

  async #exhaustedOf(requests: readonly QuotaRequest[]): Promise<QuotaUsage[]> {
    const usages = await Promise.all(requests.map((request) => this.#usageOf(request)));
    const now = this.clock.now();
    return usages.filter((usage, index) => isExhausted(usage, requests[index]!, now));
  }

  async #usageOf({ key, rule }: QuotaRequest): Promise<QuotaUsage> {
    if (rule.kind === 'failures') {
      const failures = await this.#failures(key);
      return this.#usage(key, amountOf(failures, rule), failures.lockEndsInMs);
    }
    const { points, endsInMs } = await this.counters.read(windowName(key, rule));
    return this.#usage(key, Math.min(points, rule.max), endsInMs);
  }

  /** `null` when a concurrent call took the last unit of a quota; then none is consumed. */
  async #tryConsume(
    spending: readonly QuotaRequest[],
    owner: string,
  ): Promise<readonly QuotaUsage[] | null> {
    const usages: QuotaUsage[] = [];
    try {
      // One after the other, in the order of the keys: calls that compete for the same quotas meet at the first of them, so
      // that one call gets all of them instead of each call a part.
      for (const { key, rule } of spending) {
        const usage =
          rule.kind === 'failures'
            ? await this.#consumeFailure(key, rule)
            : await this.#consumeUnit(key, rule, owner);
        if (usage === null) break;
        usages.push(usage);
      }
    } catch (error) {
      // A store that refuses the refund, too, leaves the quotas consumed: too little is allowed then, never too much.
      await this.refund(spending.slice(0, usages.length)).catch(() => undefined);
      throw error;
    }
    if (usages.length === spending.length) return usages;
    await this.refund(spending.slice(0, usages.length));
    return null;
  }

  async #consumeUnit(key: string, rule: WindowRule, owner: string): Promise<QuotaUsage | null> {
    const name = windowName(key, rule);
    const { points, endsInMs } = await this.counters.increment(name, secondsOf(rule.windowMs));
    if (points <= rule.max) {
      if (isSlot(rule)) await this.#writeOwner(key, owner, endsInMs);
      return this.#usage(key, points, endsInMs);
    }
    // The refused call has increased the counter beyond the maximum. A slot needs no correction, because it is freed by deleting
    // its counter, whatever the number is.
    if (!isSlot(rule)) await this.#refundOne({ key, rule });
    return null;
  }

  async #consumeFailure(key: string, rule: FailureRule): Promise<QuotaUsage | null> {
    const seen = await this.#failures(key);
    const next = amountOf(seen, rule) + 1;
    if (next < rule.lockAfter) {
      const { points } = await this.counters.increment(`${key}:free`, FOREVER_SECONDS);
      const amount = points + seen.locking;
      if (amount < rule.lockAfter) return this.#usage(key, amount, 0);
      await this.counters.decrement(`${key}:free`, FOREVER_SECONDS);
      return null;
    }
    const lock = await this.counters.increment(`${key}:lock`, lockSeconds(next, rule));
    if (lock.points > 1) return null;
    // This call owns the lock now, so no other call changes the next counter.
    const { points: locking } = await this.counters.increment(`${key}:locking`, FOREVER_SECONDS);
    const amount = amountOf({ ...seen, locking }, rule);
    if (amount === next) return this.#usage(key, amount, lock.endsInMs);
    // Another lock began and ended after `seen` was read, so this one has to be longer.
    const seconds = lockSeconds(amount, rule);
    await this.counters.write(`${key}:lock`, 1, seconds);
    if (amount <= rule.max) return this.#usage(key, amount, seconds * 1_000);
    await this.counters.decrement(`${key}:locking`, FOREVER_SECONDS);
    return null;
  }

  async #refundOne({ key, rule }: Pick<QuotaRequest, 'key' | 'rule'>): Promise<void> {
    if (rule.kind === 'failures') return this.#refundFailure(key);
    if (isSlot(rule)) return this.#freeSlot(key);
    const name = windowName(key, rule);
    const { points, endsInMs } = await this.counters.read(name);
    if (points < 1 || endsInMs < MIN_REFUND_MS) return;
    await this.counters.decrement(name, secondsOf(rule.windowMs));
  }

  async #refundFailure(key: string): Promise<void> {
    const { free, locking } = await this.#failures(key);
    if (locking > 0 && (await this.counters.decrement(`${key}:locking`, FOREVER_SECONDS))) {
      // The lock of this failure is deleted last, so that the next failure counts from the corrected number.
      await this.counters.delete(`${key}:lock`);
    } else if (free > 0) await this.counters.decrement(`${key}:free`, FOREVER_SECONDS);
  }

  /** Deletes the owner first. In the other order, the owner of a call that takes the slot in between would be deleted. */
  async #freeSlot(key: string): Promise<void> {
    await this.counters.delete(`${key}:owner`);
    await this.counters.delete(`${key}:slot`);
  }

  async #writeOwner(key: string, owner: string, endsInMs: number): Promise<void> {
    // The counter of the owner expires a second before the slot does. Otherwise the old owner could be taken for the owner of the
    // call that takes the slot next.
    const seconds = Math.floor(endsInMs / 1_000) - 1;
    if (seconds < 1) return;
    await this.counters.write(`${key}:owner`, ownerNumber(owner), seconds);
  }

  async #failures(key: string): Promise<FailureCounters> {
    const [free, locking, lock] = await Promise.all([
      this.counters.read(`${key}:free`),
      this.counters.read(`${key}:locking`),
      this.counters.read(`${key}:lock`),
    ]);
    return { free: free.points, locking: locking.points, lockEndsInMs: lock.endsInMs };
  }

  #usage(key: string, amount: number, endsInMs: number): QuotaUsage {
    return { key, amount, endsAt: endsInMs > 0 ? this.clock.now() + endsInMs : 0 };
  }
}

function isSlot(rule: WindowRule): boolean {
  return rule.max === 1;
}

function windowName(key: string, rule: WindowRule): string {
  return `${key}:${isSlot(rule) ? 'slot' : 'window'}`;
}

/** Failures before the first lock never add up to a lock, also while concurrent calls have counted too many of them. */
function amountOf({ free, locking }: FailureCounters, { lockAfter }: FailureRule): number {
  return Math.min(free, lockAfter - 1) + locking;
}

function lockSeconds(amount: number, rule: FailureRule): number {
  return secondsOf(lockMsAfter(Math.max(amount, rule.lockAfter), rule));
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** 31 bits, because stores keep integers of 32 bits. A slot has few owners, so that two equal numbers are improbable. */
function ownerNumber(owner: string): number {
  return Number.parseInt(owner.slice(0, 8), 16) >>> 1 || 1;
}
