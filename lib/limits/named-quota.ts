import { limitKey, type KeyRing } from '../crypto/index.js';
import type { LimitName } from '../errors/index.js';
import type { LimitClass, SendLimit } from '../options/index.js';
import type { QuotaRequest } from './store/limit-store.interface.js';

/** A quota and its name in errors and events. */
export interface NamedQuota extends QuotaRequest {
  readonly limit: LimitName;
  readonly limitClass: LimitClass;
  /** Whether it counts responses to a method beside codes. Sent codes for the same confirmation have a quota of their own. */
  readonly isOfMethod?: boolean | undefined;
  /** Whether an anonymous client may have named its subject, so that the exact wait is not for the client. */
  readonly isOfClaimed?: boolean | undefined;
}

/**
 * One quota under each secret of the ring: instances that do not know the new secret yet count the same, and what is
 * counted from now on is not lost when the old secret is removed.
 */
export function quotasUnder(
  ring: KeyRing,
  quota: Omit<NamedQuota, 'key'>,
  names: readonly string[],
): NamedQuota[] {
  return ring.keys.map((ringKey) => ({
    key: limitKey(ringKey, ...names),
    rule: quota.rule,
    limit: quota.limit,
    limitClass: quota.limitClass,
    checkOnly: quota.checkOnly,
    isOfMethod: quota.isOfMethod,
    isOfClaimed: quota.isOfClaimed,
  }));
}

/** A limit with its rules, each of which has a window of its own. */
export interface WindowedLimit {
  readonly limit: LimitName;
  readonly limitClass: LimitClass;
  readonly rules: readonly SendLimit[];
}

/** The quotas of a limit: one for each window, under each secret of the ring. */
export function windowsUnder(
  ring: KeyRing,
  { limit, limitClass, rules }: WindowedLimit,
  names: readonly string[],
): NamedQuota[] {
  return rules.flatMap(({ max, perSeconds }) =>
    quotasUnder(
      ring,
      {
        limit,
        limitClass,
        rule: { kind: 'window', max, windowMs: perSeconds * 1_000 },
        checkOnly: false,
      },
      [limit, String(perSeconds), ...names],
    ),
  );
}
