import type { FailureRule, QuotaRequest, QuotaUsage } from './limit-store.interface.js';

/** How often a lock doubles before it is as long as it gets. */
export function doublingsOf({ lockMs, maxLockMs }: FailureRule): number {
  return Math.ceil(Math.log2(maxLockMs / lockMs));
}

/** How long the `amount`-th consecutive failure locks, in milliseconds. */
export function lockMsAfter(amount: number, rule: FailureRule): number {
  const doublings = amount - rule.lockAfter;
  if (doublings < 0) return 0;
  return Math.min(rule.lockMs * 2 ** doublings, rule.maxLockMs);
}

/**
 * A window or lock that ends more than a day later than it could was written by a machine whose clock was wrong. It counts as
 * over: one such machine must not cause refusals for years.
 */
export const CLOCK_MARGIN_MS = 86_400_000;

/**
 * What is added to the time of a failure that does not lock yet, to get the end of its lock (`endsAt`): that lies a day in the past then.
 * The row thereby keeps the time of its last failure for the purge, and an instance whose clock is up to a day behind does not take it
 * for a lock.
 */
export const UNLOCKED_END_OFFSET_MS = -CLOCK_MARGIN_MS;

/**
 * How long after its end an unchanged count of failures is kept: a year after a failure that did not lock. A permanent lock
 * is kept for ever.
 */
export const FAILURES_KEPT_MS = 365 * 86_400_000 - UNLOCKED_END_OFFSET_MS;

/** Whether the window or the lock has not ended yet. */
export function isActive(
  { endsAt }: Pick<QuotaUsage, 'endsAt'>,
  rule: QuotaRequest['rule'],
  now: number,
): boolean {
  return endsAt > now && endsAt <= now + longestMs(rule) + CLOCK_MARGIN_MS;
}

function longestMs(rule: QuotaRequest['rule']): number {
  return rule.kind === 'failures' ? rule.maxLockMs : rule.windowMs;
}

/** Whether a quota with this usage has nothing left. */
export function isExhausted(level: QuotaUsage, { rule }: QuotaRequest, now: number): boolean {
  const isFull = level.amount >= rule.max;
  return rule.kind === 'failures'
    ? isFull || isActive(level, rule, now)
    : isFull && isActive(level, rule, now);
}

/** How long to wait for it, in milliseconds; `null` when waiting does not help. */
export function waitMs(
  { amount, endsAt }: QuotaUsage,
  { rule }: QuotaRequest,
  now: number,
): number | null {
  if (rule.kind === 'failures' && amount >= rule.max) return null;
  const wait = Math.max(endsAt - now, 0);
  // The clock may have been set back since. A slot may be held by a confirmation with a longer life.
  return rule.kind === 'failures' ? Math.min(wait, rule.maxLockMs) : wait;
}
