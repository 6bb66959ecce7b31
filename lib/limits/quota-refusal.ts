import {
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitName,
} from '../errors/index.js';
import type { NamedQuota } from './named-quota.js';
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
/** The unit of the waits that strangers may see. */
export const COARSE_WAIT_MS = 300_000;

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

/** The refusal with the longest wait, by the rule of `refusalOrder`; `null` when none of the quotas is exhausted. */
export function longestWait(
  quotas: readonly NamedQuota[],
  exhausted: readonly QuotaUsage[],
  now: number,
): Refusal | null {
  if (exhausted.length === 0) return null;
  const unitMs = waitUnitMs(quotas);
  const units = ({ exactMs }: Refusal): number =>
    Math.ceil((exactMs ?? Number.POSITIVE_INFINITY) / unitMs);
  let longest: Refusal | null = null;
  for (const quota of inPrecedence(quotas, unitMs)) {
    const usage = exhausted.find(({ key }) => key === quota.key);
    if (usage === undefined) continue;
    const refusal = refusalOf(quota, usage, now);
    if (longest === null || units(refusal) > units(longest)) longest = refusal;
  }
  return longest;
}

/** The refusal of a request for which any of several slots would have done: the slot that is free first decides. */
export function shortestWait(refusals: readonly Refusal[]): Refusal | null {
  const [shortest = null] = refusals.toSorted((one, other) => lengthOf(one) - lengthOf(other));
  return shortest;
}

/** The same choice as `longestWait`, for a statement that answers with one of the exhausted quotas. */
export function refusalOrder(quotas: readonly NamedQuota[]): RefusalOrder {
  const unitMs = waitUnitMs(quotas);
  return { precedence: inPrecedence(quotas, unitMs).map(({ key }) => key), unitMs };
}

/** One unit for all quotas of a call, because the statement has one: engines would otherwise name different limits. */
function waitUnitMs(quotas: readonly NamedQuota[]): number {
  return quotas.some(hasCoarseWait) ? COARSE_WAIT_MS : 1;
}

/**
 * Of quotas that wait for equally many units the first one is named. Those that report less than whole units come last, so that the
 * reported wait is the longest one. Only an exact wait beside a window that is cut may be longer, by less than a unit.
 */
function inPrecedence(quotas: readonly NamedQuota[], unitMs: number): NamedQuota[] {
  const spanOf = (quota: NamedQuota): number => {
    const { rule, limit } = quota;
    if (unitMs === 1) return 0;
    if (!hasCoarseWait(quota)) return -1;
    const isCut = rule.kind === 'window' && limit !== 'pending' && rule.windowMs % unitMs !== 0;
    return isCut ? rule.windowMs : Number.MAX_SAFE_INTEGER;
  };
  return quotas.toSorted(
    (one, other) => spanOf(other) - spanOf(one) || one.limit.localeCompare(other.limit),
  );
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

/** Whether strangers share the counter, or may have named its subject. */
function hasCoarseWait({ limitClass, isOfClaimed = false }: NamedQuota): boolean {
  return limitClass === 'open' || isOfClaimed;
}

function lengthOf({ waitMs: wait }: Refusal): number {
  return wait ?? Number.POSITIVE_INFINITY;
}

/**
 * The wait that the refusal reports. Strangers share the counters of the class `open`. Under a purpose with `claimedSubject` they also share
 * the counters of the person whom they name. The wait of both kinds of counters is rounded up to five minutes, but not beyond the window:
 * the exact time would reveal when another stranger, or the person, requested a code or guessed at a code.
 */
function reportedWaitMs(quota: NamedQuota, wait: number | null): number | null {
  if (wait === null || !hasCoarseWait(quota)) return wait;
  const { limit, rule } = quota;
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
export function limitOfError(
  error: unknown,
): { limit: LimitName; retryAfterSeconds: number | null } | null {
  if (error instanceof TwoFactorTooManyRequestsError) {
    return { limit: error.limit, retryAfterSeconds: error.retryAfterSeconds };
  }
  return error instanceof TwoFactorUnavailableError && error.limit !== null
    ? { limit: error.limit, retryAfterSeconds: error.retryAfterSeconds }
    : null;
}
