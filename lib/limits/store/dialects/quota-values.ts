import type { SqlValue, SqlValues } from '../../../database/index.js';
import { doublingsOf, lockMsAfter, UNLOCKED_END_OFFSET_MS } from '../limit-rules.js';
import type { FailureRule, QuotaRequest } from '../limit-store.interface.js';

/** What the row of a quota begins with, if this is its first consumption. */
export interface QuotaRow extends Readonly<Record<string, SqlValue>> {
  readonly id: string;
  readonly kind: string;
  readonly amount: number;
  readonly allowed: number;
  readonly endsAt: number;
}

export function quotaRow({ key, rule, checkOnly }: QuotaRequest, now: number): QuotaRow {
  const lastsMs =
    rule.kind === 'failures' ? lockMsAfter(1, rule) || UNLOCKED_END_OFFSET_MS : rule.windowMs;
  return {
    id: key,
    kind: rule.kind,
    amount: checkOnly ? 0 : 1,
    allowed: rule.max,
    endsAt: now + lastsMs,
  };
}

/** The values of the failure rule, which is the same for all quotas of an application. */
export function failureRuleValues(rule: FailureRule | undefined): SqlValues {
  if (rule === undefined)
    return { lockAfter: 0, lockMs: 0, maxLockMs: 0, doublings: 0, permanentLockAfter: 0 };
  const { lockAfter, lockMs, maxLockMs, max } = rule;
  return { lockAfter, lockMs, maxLockMs, doublings: doublingsOf(rule), permanentLockAfter: max };
}

export function failureRuleOf(charges: readonly QuotaRequest[]): FailureRule | undefined {
  for (const { rule } of charges) if (rule.kind === 'failures') return rule;
  return undefined;
}
