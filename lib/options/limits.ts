import { TwoFactorConfigurationError } from '../errors/index.js';
import { callable, integer, orElse, record, refuseUnknown } from './check.js';
import { DEFAULTS } from './defaults.js';
import type { LimitsOptions, SendBudget } from './limits-options.interface.js';
import type { ResolvedLimits } from './resolved-limits.interface.js';
import { show } from './settings.js';

const BUDGETS = ['sendsPerToken', 'sendsPerRequester', 'sendsPerSender', 'sendsInTotal'] as const;
const KNOWN = ['failures', 'pending', ...BUDGETS, 'requester', 'normalizeToken', 'guessing'];
const OBJECT_OR_FALSE = 'Give an object or false.';
const MAX_SENDS = 1_000_000;
const THIRTY_DAYS_SECONDS = 2_592_000;

const OFF: ResolvedLimits = Object.freeze({
  failures: null,
  pending: null,
  sendsPerToken: [],
  sendsPerRequester: [],
  sendsPerSender: [],
  sendsInTotal: [],
  requester: undefined,
  normalizeToken: undefined,
  guessing: null,
});

/** @throws TwoFactorConfigurationError naming option, value and remedy. */
export function resolveLimits(input: unknown): ResolvedLimits {
  if (input === false) return OFF;
  const limits = record('Option limits', orElse(input, {}), OBJECT_OR_FALSE) as LimitsOptions;
  refuseUnknown('limit', limits, KNOWN);
  return Object.freeze<ResolvedLimits>({
    failures: resolveFailures(limits.failures),
    pending: resolvePending(limits.pending),
    sendsPerToken: resolveBudgets('sendsPerToken', limits.sendsPerToken),
    sendsPerRequester: resolveBudgets('sendsPerRequester', limits.sendsPerRequester),
    sendsPerSender: resolveBudgets('sendsPerSender', limits.sendsPerSender),
    sendsInTotal: resolveBudgets('sendsInTotal', limits.sendsInTotal),
    requester: callable('limits.requester', limits.requester, undefined),
    normalizeToken: callable('limits.normalizeToken', limits.normalizeToken, undefined),
    guessing: resolveGuessing(limits.guessing),
  });
}

function resolveFailures(input: unknown): ResolvedLimits['failures'] {
  if (input === false) return null;
  const option = 'limits.failures';
  const given = record(`Option ${option}`, orElse(input, {}), OBJECT_OR_FALSE);
  refuseUnknown(`member of ${option}:`, given, Object.keys(DEFAULTS.limits.failures));
  const { lockAfter, lockSeconds, maxLockSeconds, permanentLockAfter } = withDefaults(
    given,
    DEFAULTS.limits.failures,
  );
  const from = integer(`${option}.lockAfter`, lockAfter, 3, 50);
  const seconds = integer(`${option}.lockSeconds`, lockSeconds, 1, 3_600);
  return Object.freeze({
    lockAfter: from,
    lockMs: seconds * 1_000,
    maxLockMs: integer(`${option}.maxLockSeconds`, maxLockSeconds, seconds, 86_400) * 1_000,
    permanentLockAfter: integer(`${option}.permanentLockAfter`, permanentLockAfter, from, 100),
  });
}

function resolvePending(input: unknown): number | null {
  if (input === false) return null;
  const pending = record('Option limits.pending', orElse(input, {}), OBJECT_OR_FALSE);
  refuseUnknown('member of limits.pending:', pending, ['max']);
  return integer('limits.pending.max', withDefaults(pending, DEFAULTS.limits.pending).max, 1, 10);
}

function resolveBudgets(name: (typeof BUDGETS)[number], input: unknown): readonly SendBudget[] {
  if (input === false) return [];
  const budgets: unknown = orElse(input, DEFAULTS.limits[name]);
  if (!Array.isArray(budgets) || budgets.length === 0) {
    throw new TwoFactorConfigurationError(
      `Option limits.${name} is ${Array.isArray(budgets) ? 'an empty list' : show(budgets)}. Give a list such as ` +
        '[{ max: 5, perSeconds: 3600 }], or false.',
    );
  }
  const resolved = Object.freeze(
    budgets.map((each: unknown, index) => {
      const option = `limits.${name}[${index}]`;
      const budget = record(`Option ${option}`, each);
      refuseUnknown(`member of ${option}:`, budget, ['max', 'perSeconds']);
      return Object.freeze({
        max: integer(`${option}.max`, budget['max'], 1, MAX_SENDS),
        perSeconds: integer(`${option}.perSeconds`, budget['perSeconds'], 1, THIRTY_DAYS_SECONDS),
      });
    }),
  );
  const twin = resolved.find(({ perSeconds }, index) =>
    resolved.some((other, at) => at < index && other.perSeconds === perSeconds),
  );
  if (twin === undefined) return resolved;
  throw new TwoFactorConfigurationError(
    `Option limits.${name} has two budgets per ${twin.perSeconds} seconds. Keep the smaller one.`,
  );
}

function resolveGuessing(input: unknown): ResolvedLimits['guessing'] {
  if (input === false) return null;
  const option = 'limits.guessing';
  const given = record(`Option ${option}`, orElse(input, {}), OBJECT_OR_FALSE);
  refuseUnknown(`member of ${option}:`, given, Object.keys(DEFAULTS.limits.guessing));
  const { confirmations, perSeconds } = withDefaults(given, DEFAULTS.limits.guessing);
  return Object.freeze({
    confirmations: integer(`${option}.confirmations`, confirmations, 2, 10_000),
    perMs: integer(`${option}.perSeconds`, perSeconds, 1, 86_400) * 1_000,
  });
}

/** What is given, and the default of what is absent or undefined. */
function withDefaults<T extends object>(
  given: Readonly<Record<string, unknown>>,
  defaults: T,
): Record<keyof T, unknown> {
  const names = Object.keys(defaults) as (keyof T & string)[];
  return Object.fromEntries(
    names.map((name) => [name, orElse(given[name], defaults[name])]),
  ) as Record<keyof T, unknown>;
}
