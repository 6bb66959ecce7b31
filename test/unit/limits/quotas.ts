import { KeyRing } from '../../../lib/crypto/index.js';
import type { NamedQuota } from '../../../lib/limits/named-quota.js';
import {
  QuotaPlanner,
  type LimitedMessage,
  type QuotaScope,
} from '../../../lib/limits/quota-planner.js';
import { resolveLimits } from '../../../lib/options/limits.js';

const SECRETS = ['kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0Ae', 'Zq8rT2vN6xB1mK5jH9gF3dS7aP0oL4iU'];
const SURROUNDINGS = { longestTtlSeconds: 600, hasDestinations: false, hasBoundPurpose: true };

export function planner(limits: unknown = {}, secrets = 1): QuotaPlanner {
  return new QuotaPlanner({
    limits: resolveLimits(limits, SURROUNDINGS),
    keyRing: KeyRing.fromSecrets(SECRETS.slice(0, secrets).map((secret) => Buffer.from(secret))),
    purposes: new Map([['forgotten', { claimedSubject: true }]]),
  });
}

export const STRANGER: QuotaScope = {
  token: 'ann@example.com',
  tokenFrom: 'application',
  subject: '',
  purpose: 'login',
  hasSlot: false,
};
export const BOUND: QuotaScope = { ...STRANGER, subject: 'ann' };
export const CLIENT_NAMED: QuotaScope = { ...BOUND, tokenFrom: 'client' };
/** Of a purpose whose subject an anonymous client claims. */
export const CLAIMED: QuotaScope = { ...BOUND, purpose: 'forgotten' };

export const by = (requester?: string): LimitedMessage => ({ way: 'default', requester });

/** The quotas as `name max/seconds`, a lock that is only looked at as `failures?`. */
export function quotas(budgets: readonly NamedQuota[]): string[] {
  return budgets.map(({ limit, rule, checkOnly }) =>
    rule.kind === 'failures'
      ? `${limit}${checkOnly ? '?' : ''}`
      : `${limit} ${rule.max}/${rule.windowMs / 1_000}`,
  );
}

export const keysOf = (budgets: readonly NamedQuota[]): string[] => budgets.map(({ key }) => key);

/** Names of the quotas that two requests share. */
export function shared(one: readonly NamedQuota[], other: readonly NamedQuota[]): string[] {
  const keys = new Set(keysOf(other));
  return quotas(one.filter(({ key }) => keys.has(key)));
}
