import {
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitName,
} from '../errors/index.js';
import type { NamedQuota } from './quota-planner.js';
import { isExhausted, waitMs } from './store/limit-rules.js';
import type { RefusalOrder } from './store/dialects/mysql-answer.js';
import type { QuotaRequest, QuotaUsage } from './store/limit-store.interface.js';

/** A quota that refused a call, and for how long. */
export interface Refusal {
  readonly limit: LimitName;
  /** The reported wait; `null` when waiting does not help. */
  readonly waitMs: number | null;
  readonly exactMs: number | null;
}

/** The values from which the error of a refusal is made, beside the exhausted quotas. */
export interface RefusalContext {
  readonly now: number;
  /** The configured number of pending slots. */
  readonly pending: number | null;
}

/** Limits on the whole service. Their refusal is a 503, because the client did nothing wrong. */
const SERVER_SIDE_LIMITS: ReadonlySet<LimitName> = new Set(['sends-per-sender', 'sends-in-total']);
const COARSE_WAIT_MS = 300_000;

/** The usages of those quotas that are exhausted at the time `now`. */
export function exhaustedOf(
  quotas: readonly QuotaRequest[],
  usages: readonly QuotaUsage[],
  now: number,
): QuotaUsage[] {
  return usages.filter((usage) =>
    quotas.some((quota) => quota.key === usage.key && isExhausted(usage, quota, now)),
  );
}

/** The refusal with the longest wait; `null` when none of the quotas is exhausted. */
export function longestWait(
  quotas: readonly NamedQuota[],
  exhausted: readonly QuotaUsage[],
  now: number,
): Refusal | null {
  const refusals = exhausted.flatMap((usage): Refusal[] => {
    const quota = quotas.find(({ key }) => key === usage.key);
    return quota === undefined ? [] : [refusalOf(quota, usage, now)];
  });
  const [longest = null] = refusals.toSorted(
    (one, other) => lengthOf(other) - lengthOf(one) || one.limit.localeCompare(other.limit),
  );
  return longest;
}

/** The refusal of a request for which any of several slots would have done: the slot that is free first decides. */
export function shortestWait(refusals: readonly Refusal[]): Refusal | null {
  const [shortest = null] = refusals.toSorted((one, other) => lengthOf(one) - lengthOf(other));
  return shortest;
}

/** The same choice as `longestWait`, for a statement that answers with one of the exhausted quotas. */
export function refusalOrder(quotas: readonly NamedQuota[]): RefusalOrder {
  const isCoarse = quotas.some(({ limitClass }) => limitClass === 'open');
  const byName = quotas.toSorted((one, other) => one.limit.localeCompare(other.limit));
  return { precedence: byName.map(({ key }) => key), unitMs: isCoarse ? COARSE_WAIT_MS : 1 };
}

export function refusalError(refusal: Refusal, { now, pending }: RefusalContext): Error {
  const { limit, waitMs: wait, exactMs } = refusal;
  const seconds = wait === null ? null : Math.max(1, Math.ceil(wait / 1_000));
  if (SERVER_SIDE_LIMITS.has(limit)) {
    const retryAfterSeconds = seconds ?? 1;
    return new TwoFactorUnavailableError(
      `The messages of the quota ${limit} are used up. Raise it under limits, or wait ${retryAfterSeconds} seconds.`,
      { retryAfterSeconds, limit, limitEndsAt: now + (exactMs ?? 0) },
    );
  }
  return new TwoFactorTooManyRequestsError(sentenceOf(limit, seconds, pending), seconds, limit);
}

function refusalOf(quota: NamedQuota, usage: QuotaUsage, now: number): Refusal {
  const exactMs = waitMs(usage, quota, now);
  return { limit: quota.limit, waitMs: reportedWaitMs(quota, exactMs), exactMs };
}

function lengthOf({ waitMs: wait }: Refusal): number {
  return wait ?? Number.POSITIVE_INFINITY;
}

/**
 * The wait that the refusal reports. Strangers share the counters of the class `open`, in which a client names the phone number or
 * address. The wait of this class is rounded up to five minutes, but not beyond the window: the exact time would reveal to one
 * stranger when another one requested a code or guessed at one.
 */
function reportedWaitMs(
  { limit, limitClass, rule }: NamedQuota,
  wait: number | null,
): number | null {
  if (wait === null || limitClass === 'bound') return wait;
  const coarse = Math.ceil(wait / COARSE_WAIT_MS) * COARSE_WAIT_MS;
  // A pending slot may be held for longer than this confirmation lives.
  if (rule.kind === 'failures' || limit === 'pending') return coarse;
  return Math.max(wait, Math.min(coarse, rule.windowMs));
}

function sentenceOf(limit: LimitName, seconds: number | null, pending: number | null): string {
  if (seconds === null) {
    return `Too many wrong codes in a row (${limit}). Only LimitService.reset() helps.`;
  }
  if (limit === 'pending') {
    return (
      `There are ${pending} pending confirmations of this subject or token and purpose (limits.pending). ` +
      `Confirm or cancel one of them, or try again in ${seconds} seconds.`
    );
  }
  return `The limit ${limit} is reached. Try again in ${seconds} seconds.`;
}

/** Which limit an error is about; `null` for an error that no limit has caused. */
export function limitOf(
  error: unknown,
): { limit: LimitName; retryAfterSeconds: number | null } | null {
  if (error instanceof TwoFactorTooManyRequestsError) {
    return { limit: error.limit, retryAfterSeconds: error.retryAfterSeconds };
  }
  return error instanceof TwoFactorUnavailableError && error.limit !== null
    ? { limit: error.limit, retryAfterSeconds: error.retryAfterSeconds }
    : null;
}
