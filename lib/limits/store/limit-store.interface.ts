import type { EntityManager } from 'typeorm';

/** A number of units in a window that begins with the first consumption. */
export interface WindowRule {
  readonly kind: 'window';
  readonly max: number;
  readonly windowMs: number;
}

/** Consecutive failures: from `lockAfter` on each one locks, twice as long as the one before; `max` is the last one. */
export interface FailureRule {
  readonly kind: 'failures';
  readonly max: number;
  readonly lockAfter: number;
  readonly lockMs: number;
  readonly maxLockMs: number;
}

/** A quota of which a call consumes one unit, or which it only checks. */
export interface QuotaRequest {
  /** 32 hexadecimal characters: a keyed hash of what the quota limits. */
  readonly key: string;
  readonly rule: WindowRule | FailureRule;
  /** True for a quota that must have a unit left, and of which none is consumed. */
  readonly checkOnly: boolean;
}

/** Units to add to a counter that refuses nothing. */
export interface QuotaAddition {
  /** A key of the same form as that of `QuotaRequest`. `consume` is never called with it. */
  readonly key: string;
  /** 1 or more. */
  readonly amount: number;
  /** When the counter may be forgotten, epoch milliseconds: the same in all calls with this key. */
  readonly endsAt: number;
}

/** The usage of a quota. */
export interface QuotaUsage {
  readonly key: string;
  readonly amount: number;
  /** End of the window or of the lock, epoch milliseconds; 0 for none. */
  readonly endsAt: number;
}

/** `exhausted` is empty when all quotas were consumed; otherwise none was. `consumed` are the usages after the consumption. */
export interface ConsumeResult {
  readonly exhausted: readonly QuotaUsage[];
  readonly consumed: readonly QuotaUsage[];
}

/**
 * Keeps the quotas. The built-in store is the application's own database; replace it by the extra `limitStore`. All methods
 * reject when the store cannot be reached: the call that needed it is refused then (HTTP 503).
 *
 * @publicApi
 */
export interface LimitStore {
  /**
   * Charges all or nothing; no two calls ever get the last unit of a quota.
   *
   * @param charges ordered by key, each key once.
   * @param owner names whom it is charged for: 16 hexadecimal characters.
   */
  consume(charges: readonly QuotaRequest[], owner: string): Promise<ConsumeResult>;
  /** Takes one charge of each quota back, because the action that was charged did not happen. */
  refund(charges: readonly QuotaRequest[]): Promise<void>;
  /**
   * Ends failures, and those windows that were charged for `owner` last; without an owner all of them, and the counters of `add`.
   */
  release(keys: readonly string[], owner?: string): Promise<void>;
  /**
   * The usages of those quotas that have one.
   *
   * @param manager the caller's transaction, where the call is part of one. A store outside of that database ignores it.
   */
  read(keys: readonly string[], manager?: EntityManager): Promise<readonly QuotaUsage[]>;
  /**
   * Looks at the next `limit` quotas and forgets those of which nothing is consumed any more. True as long as there are more
   * to look at; absent where the store forgets by itself.
   */
  purge?(limit: number): Promise<boolean>;
  /**
   * Adds to counters, of which no unit may be lost among concurrent calls. `read` returns them. Called every few seconds, and only
   * with the limit `sendsPerPrefix`, which a store without this method cannot have.
   *
   * @param additions ordered by key, each key once.
   */
  add?(additions: readonly QuotaAddition[]): Promise<void>;
}
