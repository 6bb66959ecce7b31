import { expect } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/errors/index.js';
import { DEFAULTS, resolveOptions } from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';

export const secret = secretOf('the settings');
export const PRODUCTION = { NODE_ENV: 'production' };

export type Scalar = Exclude<
  keyof typeof DEFAULTS,
  'autoPurge' | 'clock' | 'codeGenerator' | 'cooldownSeconds' | 'worker'
>;

interface Row {
  readonly option: Scalar;
  readonly variable: string;
  readonly default: unknown;
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
  readonly remedy: string;
}

const numbers = (min: number, max: number): Pick<Row, 'good' | 'bad' | 'remedy'> => ({
  good: [min, max],
  bad: [
    0,
    -1,
    min - 1,
    max + 1,
    min + 0.5,
    1e12,
    Number.MAX_SAFE_INTEGER,
    Number.NaN,
    Infinity,
    -Infinity,
    String(min),
    '',
    true,
    null,
    [min],
    {},
    BigInt(min),
  ],
  remedy: `Give a whole number from ${min} to ${max}.`,
});
const flags: Pick<Row, 'good' | 'bad' | 'remedy'> = {
  good: [true, false],
  bad: [0, 1, 'true', 'false', '', null, [], {}],
  remedy: 'Give true or false.',
};
const NAME = '1 to 64 of a-z, 0-9 and "-", not beginning with "-"';
const NAME_RULE = `Give the name of a sender: ${NAME}.`;

/** Every scalar option there is; the first test sees to it that none is forgotten. */
export const TABLE: readonly Row[] = [
  {
    option: 'application',
    variable: 'TWO_FACTOR_APPLICATION',
    default: '',
    good: ['a', 'shop-2', 'x'.repeat(64)],
    bad: ['', '-a', 'Shop', 'a b', 'a/b', 'a\n', 'é', 'x'.repeat(65), 5, null, ['shop'], true],
    remedy: `Give the application's name: ${NAME}.`,
  },
  {
    option: 'defaultSender',
    variable: 'TWO_FACTOR_DEFAULT_SENDER',
    default: 'default',
    good: ['a', '0-9', 'x'.repeat(64)],
    bad: ['', '-a', 'SMS', 'a b', 'a\n', 'é', 'x'.repeat(65), 5, null, ['sms'], true],
    remedy: NAME_RULE,
  },
  {
    option: 'debugCodeResponse',
    variable: 'TWO_FACTOR_DEBUG_CODE_RESPONSE',
    default: false,
    ...flags,
    good: [false],
  },
  {
    option: 'ttlSeconds',
    variable: 'TWO_FACTOR_TTL_SECONDS',
    default: 600,
    ...numbers(30, 600),
  },
  {
    option: 'useWithinSeconds',
    variable: 'TWO_FACTOR_USE_WITHIN_SECONDS',
    default: 300,
    ...numbers(10, 900),
  },
  { option: 'maxAttempts', variable: 'TWO_FACTOR_MAX_ATTEMPTS', default: 5, ...numbers(1, 10) },
  { option: 'maxSends', variable: 'TWO_FACTOR_MAX_SENDS', default: 5, ...numbers(1, 10) },
  {
    option: 'resend',
    variable: 'TWO_FACTOR_RESEND',
    default: 'same',
    good: ['same', 'rotate'],
    bad: ['SAME', '', 'never', true, null, 5],
    remedy: "Give 'same' or 'rotate'.",
  },
  {
    option: 'databaseTimeoutMs',
    variable: 'TWO_FACTOR_DATABASE_TIMEOUT_MS',
    default: 5_000,
    ...numbers(100, 60_000),
  },
  {
    option: 'sendTimeoutMs',
    variable: 'TWO_FACTOR_SEND_TIMEOUT_MS',
    default: 10_000,
    ...numbers(100, 60_000),
  },
  {
    option: 'delivery',
    variable: 'TWO_FACTOR_DELIVERY',
    default: 'inline',
    good: ['inline', 'queued'],
    bad: ['INLINE', '', 'outbox', true, null, 5],
    remedy: "Give 'inline' or 'queued'.",
  },
  {
    option: 'preparedStatements',
    variable: 'TWO_FACTOR_PREPARED_STATEMENTS',
    default: true,
    ...flags,
  },
  {
    option: 'batching',
    variable: 'TWO_FACTOR_BATCHING',
    default: true,
    good: [true, false],
    bad: [
      0,
      'true',
      null,
      [],
      {},
      { maxSize: 1 },
      { maxSize: 1_001 },
      { maxSize: '64' },
      { maxSize: 2.5 },
      { maxSize: 64, more: 1 },
    ],
    remedy: 'Give true, false or { maxSize }, a whole number from 2 to 1000.',
  },
];

export function resolve(options: object, environment: NodeJS.ProcessEnv = PRODUCTION): unknown {
  return resolveOptions({ secret, ...options }, environment);
}

/** The message of the refusal; a resolution that is not refused fails the test. */
export function refusal(options: object, environment: NodeJS.ProcessEnv = PRODUCTION): string {
  const error = thrownBy(() => resolve(options, environment));
  expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  return (error as Error).message;
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return 'nothing';
}

/** The value as a message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null
    ? 'a value of type object'
    : typeof value === 'bigint'
      ? 'a value of type bigint'
      : String(value);
}
