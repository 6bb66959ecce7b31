import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  expectFunction,
  expectInteger,
  withDefault,
  expectObject,
  refuseUnknown,
} from './validate.js';
import { DEFAULTS } from './defaults.js';
import type { LimitsOptions, NetworkSendLimit, SendLimit } from './limits-options.interface.js';
import type { LimitClass, ResolvedLimits } from './resolved-limits.interface.js';
import { formatValue } from './settings.js';

/** The facts that the limits depend on beside their own options. */
export interface LimitsSurroundings {
  /** The longest life of a code of any purpose, in seconds. */
  readonly longestTtlSeconds: number;
  /** Whether a purpose is bound to a subject. Its messages are then counted separately from those of strangers. */
  readonly hasBoundPurpose: boolean;
  /** Whether a sender has rules for phone numbers. Only its messages have a prefix. */
  readonly hasDestinations: boolean;
}

const LIMIT_OPTION_NAMES = [
  'failures',
  'pending',
  'sendsPerToken',
  'sendsPerRequester',
  'requestsPerRequester',
  'sendsPerNetwork',
  'sendsPerPrefix',
  'sendsPerSender',
  'sendsInTotal',
  'requester',
  'normalizeToken',
  'sprayDetection',
];
const OBJECT_OR_FALSE = 'Give an object or false.';
const MAX_SENDS = 1_000_000;
const THIRTY_DAYS_SECONDS = 2_592_000;
const MIN_RATIO = 0.01;
const MAX_RATIO = 0.9;

const NO_CLASS_LIMITS: Readonly<Record<LimitClass, readonly SendLimit[]>> = Object.freeze({
  open: Object.freeze([]),
  bound: Object.freeze([]),
});

const OFF: ResolvedLimits = Object.freeze({
  failures: null,
  pending: null,
  sendsPerToken: NO_CLASS_LIMITS,
  sendsPerRequester: [],
  requestsPerRequester: [],
  sendsPerNetwork: [],
  sendsPerPrefix: null,
  sendsPerSender: [],
  sendsInTotal: NO_CLASS_LIMITS,
  requester: undefined,
  normalizeToken: undefined,
  sprayDetection: null,
});

/** @throws TwoFactorConfigurationError; the message names the option, its value and the remedy. */
export function resolveLimits(input: unknown, surroundings: LimitsSurroundings): ResolvedLimits {
  if (input === false) return OFF;
  const limits = expectObject(
    'Option limits',
    withDefault(input, {}),
    OBJECT_OR_FALSE,
  ) as LimitsOptions;
  refuseUnknown('limit', limits, LIMIT_OPTION_NAMES);
  const { openWithoutBoundPurposes, ...total } = DEFAULTS.limits.sendsInTotal;
  return Object.freeze<ResolvedLimits>({
    failures: resolveFailures(limits.failures, surroundings.longestTtlSeconds),
    pending: resolvePending(limits.pending),
    sendsPerToken: resolveClasses(
      'sendsPerToken',
      limits.sendsPerToken,
      DEFAULTS.limits.sendsPerToken,
    ),
    sendsPerRequester: resolveQuotas(
      'sendsPerRequester',
      limits.sendsPerRequester,
      DEFAULTS.limits.sendsPerRequester,
    ),
    requestsPerRequester: resolveQuotas(
      'requestsPerRequester',
      limits.requestsPerRequester,
      DEFAULTS.limits.requestsPerRequester,
    ),
    sendsPerNetwork: resolveNetworkLimits(limits.sendsPerNetwork),
    sendsPerPrefix: resolvePrefixes(limits.sendsPerPrefix, surroundings.hasDestinations),
    sendsPerSender: resolveQuotas('sendsPerSender', limits.sendsPerSender, []),
    sendsInTotal: resolveClasses(
      'sendsInTotal',
      limits.sendsInTotal,
      surroundings.hasBoundPurpose ? total : { ...total, open: openWithoutBoundPurposes },
    ),
    requester: expectFunction('limits.requester', limits.requester, undefined),
    normalizeToken: expectFunction('limits.normalizeToken', limits.normalizeToken, undefined),
    sprayDetection: resolveSprayDetection(limits.sprayDetection),
  });
}

function resolveFailures(input: unknown, longestTtlSeconds: number): ResolvedLimits['failures'] {
  if (input === false) return null;
  const option = 'limits.failures';
  const given = expectObject(`Option ${option}`, withDefault(input, {}), OBJECT_OR_FALSE);
  refuseUnknown(`member of ${option}:`, given, Object.keys(DEFAULTS.limits.failures));
  const { lockAfter, lockSeconds, maxLockSeconds, permanentLockAfter } = withDefaults(
    given,
    DEFAULTS.limits.failures,
  );
  const from = expectInteger(`${option}.lockAfter`, lockAfter, 3, 50);
  const seconds = expectInteger(`${option}.lockSeconds`, lockSeconds, 1, 3_600);
  const longest = expectInteger(
    `${option}.maxLockSeconds`,
    // A first lock that is longer than the default of the longest lock becomes the longest lock.
    given['maxLockSeconds'] === undefined
      ? Math.max(seconds, Number(maxLockSeconds))
      : maxLockSeconds,
    seconds,
    86_400,
  );
  if (longest < longestTtlSeconds) {
    throw new TwoFactorConfigurationError(
      `Option ${option}.maxLockSeconds is ${longest}, and a code lives ${longestTtlSeconds} seconds, so that several ` +
        `locks end within one code's life and each message buys several guesses. Give at least ${longestTtlSeconds}, or ` +
        'shorten ttlSeconds.',
    );
  }
  return Object.freeze({
    lockAfter: from,
    lockMs: seconds * 1_000,
    maxLockMs: longest * 1_000,
    permanentLockAfter: expectInteger(
      `${option}.permanentLockAfter`,
      permanentLockAfter,
      from,
      100,
    ),
  });
}

/** How many confirmations of one subject or token may be pending, from the option `limits.pending`; `null` for any number. */
function resolvePending(input: unknown): number | null {
  if (input === false) return null;
  const pending = expectObject('Option limits.pending', withDefault(input, {}), OBJECT_OR_FALSE);
  refuseUnknown('member of limits.pending:', pending, ['max']);
  return expectInteger(
    'limits.pending.max',
    withDefaults(pending, DEFAULTS.limits.pending).max,
    1,
    10,
  );
}

function resolveClasses(
  name: string,
  input: unknown,
  defaults: Readonly<Record<LimitClass, readonly SendLimit[]>>,
): Readonly<Record<LimitClass, readonly SendLimit[]>> {
  if (input === false) return NO_CLASS_LIMITS;
  if (Array.isArray(input)) {
    const both = resolveQuotas(name, input, []);
    return Object.freeze({ open: both, bound: both });
  }
  const given = expectObject(
    `Option limits.${name}`,
    withDefault(input, {}),
    `Give ${LIST}, { open, bound } with such lists, or false.`,
  );
  refuseUnknown(`member of limits.${name}:`, given, ['open', 'bound']);
  return Object.freeze({
    open: resolveQuotas(`${name}.open`, given['open'], defaults.open),
    bound: resolveQuotas(`${name}.bound`, given['bound'], defaults.bound),
  });
}

function resolveNetworkLimits(input: unknown): readonly NetworkSendLimit[] {
  return resolveList<NetworkSendLimit>(
    'sendsPerNetwork',
    input,
    DEFAULTS.limits.sendsPerNetwork,
    (option, quota) => {
      const ipv4 = optionalInteger(`${option}.ipv4`, quota['ipv4'], 8, 32);
      const ipv6 = optionalInteger(`${option}.ipv6`, quota['ipv6'], 16, 128);
      if (ipv4 === undefined && ipv6 === undefined) {
        throw new TwoFactorConfigurationError(
          `Option ${option} counts no network. Give ipv4, ipv6 or both: the length of the prefix in bits.`,
        );
      }
      return { ipv4, ipv6, ...quotaOf(option, quota, ['ipv4', 'ipv6']) };
    },
    ({ ipv4, ipv6, perSeconds }) => [
      ...(ipv4 === undefined ? [] : [`ipv4/${ipv4}/${perSeconds}`]),
      ...(ipv6 === undefined ? [] : [`ipv6/${ipv6}/${perSeconds}`]),
    ],
  );
}

function resolveQuotas(
  name: string,
  input: unknown,
  defaults: readonly SendLimit[],
): readonly SendLimit[] {
  return resolveList(
    name,
    input,
    defaults,
    (option, quota) => quotaOf(option, quota, []),
    ({ perSeconds }) => [String(perSeconds)],
  );
}

function quotaOf(
  option: string,
  quota: Readonly<Record<string, unknown>>,
  more: readonly string[],
): SendLimit {
  refuseUnknown(`member of ${option}:`, quota, ['max', 'perSeconds', ...more]);
  return {
    max: expectInteger(`${option}.max`, quota['max'], 1, MAX_SENDS),
    perSeconds: expectInteger(`${option}.perSeconds`, quota['perSeconds'], 1, THIRTY_DAYS_SECONDS),
  };
}

const LIST = 'a list such as [{ max: 5, perSeconds: 3600 }]';

/** @param counters The names of an entry's counters. Two entries of one list must not share a counter. */
function resolveList<T extends SendLimit>(
  name: string,
  input: unknown,
  defaults: readonly T[],
  resolve: (option: string, quota: Readonly<Record<string, unknown>>) => T,
  counters: (quota: T) => readonly string[],
): readonly T[] {
  if (input === false) return [];
  if (input === undefined && defaults.length === 0) return [];
  const quotas: unknown = withDefault(input, defaults);
  if (!Array.isArray(quotas) || quotas.length === 0) {
    throw new TwoFactorConfigurationError(
      `Option limits.${name} is ${Array.isArray(quotas) ? 'an empty list' : formatValue(quotas)}. Give ${LIST}, or false.`,
    );
  }
  const resolved = Object.freeze(
    quotas.map((each: unknown, index) => {
      const option = `limits.${name}[${index}]`;
      return Object.freeze(resolve(option, expectObject(`Option ${option}`, each)));
    }),
  );
  const twin = resolved.find((quota, index) =>
    resolved.some(
      (other, at) => at < index && counters(other).some((each) => counters(quota).includes(each)),
    ),
  );
  if (twin === undefined) return resolved;
  throw new TwoFactorConfigurationError(
    `Option limits.${name} has two budgets per ${twin.perSeconds} seconds. Keep the smaller one.`,
  );
}

function optionalInteger(
  option: string,
  value: unknown,
  min: number,
  max: number,
): number | undefined {
  return value === undefined ? undefined : expectInteger(option, value, min, max);
}

function resolvePrefixes(
  input: unknown,
  hasDestinations: boolean,
): ResolvedLimits['sendsPerPrefix'] {
  if (input === false) return null;
  const option = 'limits.sendsPerPrefix';
  if (!hasDestinations) {
    if (input === undefined) return null;
    throw new TwoFactorConfigurationError(
      `Option ${option} counts messages to phone numbers, and no sender has destinations, so that it would count none. Give ` +
        'one destinations: phoneDestinations({ countries }) of nestjs-two-factor/phone, or remove the option.',
    );
  }
  const given = expectObject(`Option ${option}`, withDefault(input, {}), OBJECT_OR_FALSE);
  refuseUnknown(`member of ${option}:`, given, Object.keys(DEFAULTS.limits.sendsPerPrefix));
  const { mode, prefixDigits, min, ratio, perSeconds } = withDefaults(
    given,
    DEFAULTS.limits.sendsPerPrefix,
  );
  if (mode !== 'record' && mode !== 'deny') {
    throw new TwoFactorConfigurationError(
      `Option ${option}.mode is ${formatValue(mode)}. Give 'record' or 'deny'.`,
    );
  }
  if (typeof ratio !== 'number' || !(ratio >= MIN_RATIO && ratio <= MAX_RATIO)) {
    throw new TwoFactorConfigurationError(
      `Option ${option}.ratio is ${formatValue(ratio)}. Give a number from ${MIN_RATIO} to ${MAX_RATIO}: 0.2 for 20 percent.`,
    );
  }
  return Object.freeze({
    mode,
    prefixDigits: expectInteger(`${option}.prefixDigits`, prefixDigits, 1, 7),
    min: expectInteger(`${option}.min`, min, 10, MAX_SENDS),
    ratio,
    windowMs: expectInteger(`${option}.perSeconds`, perSeconds, 60, 86_400) * 1_000,
  });
}

function resolveSprayDetection(input: unknown): ResolvedLimits['sprayDetection'] {
  if (input === false) return null;
  const option = 'limits.sprayDetection';
  const given = expectObject(`Option ${option}`, withDefault(input, {}), OBJECT_OR_FALSE);
  refuseUnknown(`member of ${option}:`, given, Object.keys(DEFAULTS.limits.sprayDetection));
  const { confirmations, perSeconds } = withDefaults(given, DEFAULTS.limits.sprayDetection);
  return Object.freeze({
    confirmations: expectInteger(`${option}.confirmations`, confirmations, 2, 10_000),
    perMs: expectInteger(`${option}.perSeconds`, perSeconds, 1, 86_400) * 1_000,
  });
}

/** The given members, with defaults for those that are absent or undefined. */
function withDefaults<T extends object>(
  given: Readonly<Record<string, unknown>>,
  defaults: T,
): Record<keyof T, unknown> {
  const names = Object.keys(defaults) as (keyof T & string)[];
  return Object.fromEntries(
    names.map((name) => [name, withDefault(given[name], defaults[name])]),
  ) as Record<keyof T, unknown>;
}
