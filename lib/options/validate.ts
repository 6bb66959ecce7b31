import { TwoFactorConfigurationError } from '../errors/index.js';
import { isInteger, isName, NAME_RULE, formatValue } from './settings.js';

/** Replaces `undefined` by the default. `null` is not replaced, because it may have been written to mean "off". */
export function withDefault<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
}

/**
 * @throws TwoFactorConfigurationError for anything but an object. Arrays, maps and promises are refused, too: they have no members of
 * their own, so that the application would start without what they hold, such as its purposes.
 */
export function expectObject(
  what: string,
  value: unknown,
  remedy = 'Give an object.',
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TwoFactorConfigurationError(`${what} is ${formatValue(value)}. ${remedy}`);
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    throw new TwoFactorConfigurationError(`${what} is a ${value.constructor.name}. ${remedy}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

/** @throws TwoFactorConfigurationError for an unknown member, which is often a misspelt one. */
export function refuseUnknown(what: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `There is no ${what} ${unknown}. Known: ${known.toSorted().join(', ')}.`,
    );
  }
}

/** @throws TwoFactorConfigurationError for anything but a function or `undefined`. */
export function expectFunction<T>(option: string, value: T | undefined, fallback: T): T {
  if (value === undefined) return fallback;
  if (typeof value !== 'function') {
    throw new TwoFactorConfigurationError(
      `Option ${option} is ${formatValue(value)}. Give a function.`,
    );
  }
  return value;
}

/** @throws TwoFactorConfigurationError for anything but a whole number from `min` to `max`. */
export function expectInteger(option: string, value: unknown, min: number, max: number): number {
  if (isInteger(value, min, max)) return value;
  throw new TwoFactorConfigurationError(
    `Option ${option} is ${formatValue(value)}. Give a whole number from ${min} to ${max}.`,
  );
}

/** @throws TwoFactorConfigurationError for anything but a well-formed name. */
export function assertName(what: string, name: string): void {
  if (!isName(name))
    throw new TwoFactorConfigurationError(
      `The ${what} name ${formatValue(name)} is not ${NAME_RULE}.`,
    );
}
