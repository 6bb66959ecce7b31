import type { NamedQuota } from './named-quota.js';
import { isExhausted } from './store/limit-rules.js';
import type { QuotaUsage } from './store/limit-store.interface.js';

/** A lock that a wrong code has caused. */
export interface LockReport {
  readonly scope: 'token' | 'subject';
  /** `null` for a permanent lock. */
  readonly until: Date | null;
}

/** The lock that a failure has caused, if it caused one. */
export function locksOf(
  { charges, levels }: { charges: readonly NamedQuota[]; levels: readonly QuotaUsage[] },
  now: number,
): LockReport[] {
  // Under several secrets one failure is counted several times; the longest lock is the one that holds.
  const ends = charges.flatMap((quota) => {
    const usage = levels.find(({ key }) => key === quota.key);
    if (usage === undefined || !isExhausted(usage, quota, now)) return [];
    return [usage.amount >= quota.rule.max ? Number.POSITIVE_INFINITY : usage.endsAt];
  });
  const [quota] = charges;
  if (quota === undefined || ends.length === 0) return [];
  const until = Math.max(...ends);
  const scope = quota.limitClass === 'open' ? 'token' : 'subject';
  return [{ scope, until: Number.isFinite(until) ? new Date(until) : null }];
}
