import type { FailureRule, LimitCharge, LimitLevel } from './limit-store.interface.js';

/** How often a lock doubles before it is as long as it gets. */
export function doublingsOf({ lockMs, maxLockMs }: FailureRule): number {
  return Math.ceil(Math.log2(maxLockMs / lockMs));
}

/** How long the `amount`-th consecutive failure locks, in milliseconds. */
export function lockMsAfter(amount: number, rule: FailureRule): number {
  const doublings = amount - rule.lockFrom;
  if (doublings < 0) return 0;
  return Math.min(rule.lockMs * 2 ** doublings, rule.maxLockMs);
}

/** Whether a budget at this level has nothing left. */
export function isSpent(
  { amount, endsAt }: LimitLevel,
  { rule }: LimitCharge,
  now: number,
): boolean {
  return rule.kind === 'failures'
    ? endsAt > now || amount >= rule.max
    : endsAt > now && amount >= rule.max;
}

/** How long to wait for it, in milliseconds; `null` when waiting does not help. */
export function waitMs(
  { amount, endsAt }: LimitLevel,
  { rule }: LimitCharge,
  now: number,
): number | null {
  if (rule.kind === 'failures' && amount >= rule.max) return null;
  // The clock may have been set back since.
  const longest = rule.kind === 'failures' ? rule.maxLockMs : rule.windowMs;
  return Math.min(Math.max(endsAt - now, 0), longest);
}
