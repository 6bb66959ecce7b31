// Quota requests for the tests of limit stores.
import { randomBytes } from 'node:crypto';

import type { FailureRule, QuotaRequest, LimitStore, WindowRule } from '../../lib/index.js';

export const AT_ONCE = 100;

const FAILURES: FailureRule = {
  kind: 'failures',
  max: 8,
  lockAfter: 4,
  lockMs: 100_000,
  maxLockMs: 400_000,
};

const newKey = (): string => randomBytes(16).toString('hex');
export const newHolder = (): string => randomBytes(8).toString('hex');

export function windowCharge(max: number, seconds = 1_000): QuotaRequest {
  const rule: WindowRule = { kind: 'window', max, windowMs: seconds * 1_000 };
  return { key: newKey(), rule, checkOnly: false };
}

export function failureCharge(rule: Partial<FailureRule> = {}): QuotaRequest {
  return { key: newKey(), rule: { ...FAILURES, ...rule }, checkOnly: false };
}

/** As `LimitService` hands them over. */
export const together = (...charges: readonly QuotaRequest[]): QuotaRequest[] =>
  charges.toSorted((one, other) => (one.key < other.key ? -1 : 1));

/** Makes this many concurrent calls. @returns how many of them were allowed. */
export async function chargedAtOnce(
  store: Pick<LimitStore, 'consume'>,
  charges: readonly QuotaRequest[],
  calls = AT_ONCE,
): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: calls }, () => store.consume(charges, newHolder())),
  );
  return answers.filter(({ exhausted }) => exhausted.length === 0).length;
}
