import type { RateLimiterAbstract } from 'rate-limiter-flexible';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isDevelopment, refuseUnknown, type Clock } from '../../options/index.js';

/** The methods of a limiter of `rate-limiter-flexible` that the store calls. */
export type FlexibleLimiter = Pick<
  RateLimiterAbstract,
  'delete' | 'get' | 'penalty' | 'reward' | 'set'
>;

/** The options of `rateLimiterFlexibleStore`. */
export interface RateLimiterFlexibleStoreOptions {
  /**
   * A limiter that counts atomically, such as `RateLimiterRedis` or `RateLimiterValkey`. Its `keyPrefix` is used; its `points` and
   * `duration` are not, because every quota has its own.
   */
  readonly limiter: FlexibleLimiter;
  /**
   * Whether the application always has one process. Without it, a limiter that counts in memory (`RateLimiterMemory`,
   * `RateLimiterCluster`) is refused unless `NODE_ENV` is `development` or `test`. @default false
   */
  readonly singleProcess?: boolean | undefined;
  /** The longest wait for one command, 10 to 60,000 milliseconds. After it the call is refused. @default 2000 */
  readonly timeoutMs?: number | undefined;
  /** The clock of the module's options, if that is another one. @default the system clock */
  readonly clock?: Clock | undefined;
}

export const DEFAULT_TIMEOUT_MS = 2_000;
const TIMEOUT_RANGE_MS = { min: 10, max: 60_000 };

const OPTION_NAMES = [
  'limiter',
  'singleProcess',
  'timeoutMs',
  'clock',
] satisfies (keyof RateLimiterFlexibleStoreOptions)[];

/** @throws TwoFactorConfigurationError for a limiter that cannot keep the guarantees of the store, and for an unknown option. */
export function checkedOptions(
  options: RateLimiterFlexibleStoreOptions,
): RateLimiterFlexibleStoreOptions {
  const given = (options ?? {}) as Partial<RateLimiterFlexibleStoreOptions>;
  const limiter = given.limiter as (Partial<FlexibleLimiter> & LimiterWrapper) | undefined;
  if (typeof limiter?.penalty !== 'function' || typeof limiter.set !== 'function') {
    throw new TwoFactorConfigurationError(
      'rateLimiterFlexibleStore needs a limiter. Write { limiter: new RateLimiterRedis({ storeClient, points: 1, duration: 1 }) }.',
    );
  }
  refuseUnknown('option of rateLimiterFlexibleStore:', given, OPTION_NAMES);
  for (const each of limiterChainOf(limiter)) assertReliable(each, given.singleProcess === true);
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = given;
  const { min, max } = TIMEOUT_RANGE_MS;
  if (!Number.isInteger(timeoutMs) || timeoutMs < min || timeoutMs > max) {
    throw new TwoFactorConfigurationError(
      `timeoutMs of rateLimiterFlexibleStore must be an integer from ${min} to ${max}.`,
    );
  }
  return options;
}

interface LimiterWrapper {
  readonly limiter?: unknown;
  readonly insuranceLimiter?: unknown;
}

/** A limiter and the limiters inside of it, if it is a wrapper such as `RLWrapperTimeouts`. */
function limiterChainOf(limiter: LimiterWrapper): readonly LimiterWrapper[] {
  const all: LimiterWrapper[] = [];
  let next: unknown = limiter;
  while (typeof next === 'object' && next !== null && !all.includes(next)) {
    all.push(next);
    next = (next as LimiterWrapper).limiter;
  }
  return all;
}

/** The names of the limiter's class and its base classes. */
function classNamesOf(limiter: object): readonly string[] {
  const names: string[] = [];
  let prototype: unknown = Object.getPrototypeOf(limiter);
  while (typeof prototype === 'object' && prototype !== null) {
    names.push(prototype.constructor.name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}

/** Limiters that count in the memory of a process. `RateLimiterCluster` counts in the primary process of a machine. */
const IN_MEMORY = /^RateLimiter(?:Memory|Cluster)/;

function assertReliable(limiter: LimiterWrapper, singleProcess: boolean): void {
  if (limiter.insuranceLimiter) {
    throw new TwoFactorConfigurationError(
      'The limiter has an insuranceLimiter, which counts from zero while its store is down. Leave it out.',
    );
  }
  const classes = classNamesOf(limiter);
  const nonAtomic = classes.find((name) => name.endsWith('NonAtomic'));
  if (nonAtomic !== undefined) {
    throw new TwoFactorConfigurationError(
      `${nonAtomic} lets parallel calls share the last unit. Take one that counts atomically, such as RateLimiterRedis.`,
    );
  }
  const inMemory = classes.find((name) => IN_MEMORY.test(name));
  if (inMemory === undefined || singleProcess || isDevelopment()) return;
  throw new TwoFactorConfigurationError(
    `${inMemory} counts in memory: each further process would allow all of it once more, and a restart forgets it. Take ` +
      'RateLimiterRedis, or set singleProcess: true where there is never more than one process.',
  );
}
