import { TwoFactorConfigurationError } from '../errors/index.js';
import { isInteger, isName, NAME_RULE, formatValue } from './settings.js';

/** Only what is absent has a default: `null` was written by somebody, who may have meant "off". */
export function withDefault<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
}

export function expectObject(
  what: string,
  value: unknown,
  remedy = 'Give an object.',
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TwoFactorConfigurationError(`${what} is ${formatValue(value)}. ${remedy}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

export function refuseUnknown(what: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `There is no ${what} ${unknown}. Known: ${known.toSorted().join(', ')}.`,
    );
  }
}

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
export function integer(option: string, value: unknown, min: number, max: number): number {
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
