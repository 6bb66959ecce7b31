import { TwoFactorConfigurationError } from '../errors/index.js';
import { DEFAULTS } from './defaults.js';

/** A scalar option: its validation, its environment variable, and the order of its values by safety. */
export interface Setting<T> {
  readonly option: string;
  readonly variable: string;
  readonly default: T;
  /** The remedy for an invalid value, as a sentence; `null` for a valid value. */
  readonly problem: (value: unknown) => string | null;
  /** Parses the text of the variable; `undefined` for a text that is no such value. */
  readonly parse: (text: string) => T | undefined;
  /** Whether `other` is less safe than the value `coded` of the options. */
  weakens(coded: T, other: T): boolean;
}

const neverWeakens = (): boolean => false;

/** The environment variable of an option: `TWO_FACTOR_TTL_SECONDS` for `ttlSeconds`. */
export function variableOf(option: string): string {
  return `TWO_FACTOR_${option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** An invalid value for an error message, in at most 40 characters. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || value == null)
    return String(value);
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

export function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function integerSetting(
  option: string,
  fallback: number,
  min: number,
  max: number,
  weakens: (coded: number, other: number) => boolean = neverWeakens,
): Setting<number> {
  return {
    option,
    variable: variableOf(option),
    default: fallback,
    problem: (value) =>
      isInteger(value, min, max) ? null : `Give a whole number from ${min} to ${max}.`,
    parse: (text) => (/^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined),
    weakens,
  };
}

function flagSetting(
  option: string,
  fallback: boolean,
  weakens: (coded: boolean, other: boolean) => boolean = neverWeakens,
): Setting<boolean> {
  return {
    option,
    variable: variableOf(option),
    default: fallback,
    problem: (value) => (typeof value === 'boolean' ? null : 'Give true or false.'),
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    weakens,
  };
}

const weakensWhenHigher = (coded: number, other: number): boolean => other > coded;

export const TTL_SECONDS = { min: 30, max: 600 } as const;
/** The range of `useWithinSeconds`. What has confirmed a proof is kept for the longest time, so that the proof can be used. */
export const USE_WITHIN_SECONDS = { min: 10, max: 900 } as const;

export const SETTINGS = {
  application: {
    option: 'application',
    variable: variableOf('application'),
    default: DEFAULTS.application,
    problem: (value) => (isName(value) ? null : `Give the application's name: ${NAME_RULE}.`),
    parse: (text) => text,
    weakens: neverWeakens,
  } satisfies Setting<string> as Setting<string>,
  defaultSender: {
    option: 'defaultSender',
    variable: variableOf('defaultSender'),
    default: DEFAULTS.defaultSender,
    problem: (value) =>
      typeof value === 'string' && isName(value)
        ? null
        : `Give the name of a sender: ${NAME_RULE}.`,
    parse: (text) => text,
    weakens: neverWeakens,
  } satisfies Setting<string> as Setting<string>,
  debugCodeResponse: flagSetting(
    'debugCodeResponse',
    DEFAULTS.debugCodeResponse,
    (coded, other) => !coded && other,
  ),
  ttlSeconds: integerSetting(
    'ttlSeconds',
    DEFAULTS.ttlSeconds,
    TTL_SECONDS.min,
    TTL_SECONDS.max,
    weakensWhenHigher,
  ),
  useWithinSeconds: integerSetting(
    'useWithinSeconds',
    DEFAULTS.useWithinSeconds,
    USE_WITHIN_SECONDS.min,
    USE_WITHIN_SECONDS.max,
    weakensWhenHigher,
  ),
  maxAttempts: integerSetting('maxAttempts', DEFAULTS.maxAttempts, 1, 10, weakensWhenHigher),
  maxSends: integerSetting('maxSends', DEFAULTS.maxSends, 1, 10, weakensWhenHigher),
  resend: {
    option: 'resend',
    variable: variableOf('resend'),
    default: DEFAULTS.resend,
    problem: (value) =>
      value === 'same' || value === 'rotate' ? null : "Give 'same' or 'rotate'.",
    parse: (text) => (text === 'same' || text === 'rotate' ? text : undefined),
    weakens: neverWeakens,
  } satisfies Setting<'same' | 'rotate'> as Setting<'same' | 'rotate'>,
  databaseTimeoutMs: integerSetting('databaseTimeoutMs', DEFAULTS.databaseTimeoutMs, 100, 60_000),
  sendTimeoutMs: integerSetting('sendTimeoutMs', DEFAULTS.sendTimeoutMs, 100, 60_000),
  delivery: {
    option: 'delivery',
    variable: variableOf('delivery'),
    default: DEFAULTS.delivery,
    problem: (value) =>
      value === 'inline' || value === 'queued' ? null : "Give 'inline' or 'queued'.",
    parse: (text) => (text === 'inline' || text === 'queued' ? text : undefined),
    weakens: neverWeakens,
  } satisfies Setting<'inline' | 'queued'> as Setting<'inline' | 'queued'>,
  preparedStatements: flagSetting('preparedStatements', DEFAULTS.preparedStatements),
  batching: {
    option: 'batching',
    variable: variableOf('batching'),
    default: DEFAULTS.batching,
    problem: (value) =>
      typeof value === 'boolean' || isBatchingObject(value)
        ? null
        : 'Give true, false or { maxSize }, a whole number from 2 to 1000.',
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    weakens: neverWeakens,
  } satisfies Setting<Batching> as Setting<Batching>,
} as const;

type Batching = boolean | { readonly maxSize: number };

function isBatchingObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { maxSize, ...more } = value as { maxSize?: unknown };
  return isInteger(maxSize, 2, 1_000) && Object.keys(more).length === 0;
}

/** The rule for names of applications, purposes and senders, as it ends an error message. */
export const NAME_RULE = '1 to 64 of a-z, 0-9 and "-", not beginning with "-"';
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 64 && NAME.test(value);
}

/**
 * The value of a setting: that of the environment, or that of the options, or the default.
 *
 * @throws TwoFactorConfigurationError for an invalid value, and for a variable that is less safe than the option.
 */
export function readSetting<T>(
  setting: Setting<T>,
  coded: unknown,
  environment: NodeJS.ProcessEnv,
): T {
  const { option, variable } = setting;
  if (coded !== undefined) {
    const problem = setting.problem(coded);
    if (problem)
      throw new TwoFactorConfigurationError(
        `Option ${option} is ${formatValue(coded)}. ${problem}`,
      );
  }
  const text = environment[variable];
  if (text === undefined) return coded === undefined ? setting.default : (coded as T);
  const value = setting.parse(text);
  const problem = setting.problem(value);
  if (value === undefined || problem) {
    throw new TwoFactorConfigurationError(
      `The environment variable ${variable} is ${formatValue(text)}. ${problem ?? ''}`.trim(),
    );
  }
  if (coded !== undefined && setting.weakens(coded as T, value)) {
    throw new TwoFactorConfigurationError(
      `The environment variable ${variable} is ${formatValue(text)}, which is less safe than the option ${option}: ` +
        `${formatValue(coded)} in the code. Unset the variable, or change the option.`,
    );
  }
  return value;
}
