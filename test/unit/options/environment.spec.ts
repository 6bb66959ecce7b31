import { Logger } from '@nestjs/common';
import { describe, expect, it, vi } from 'vitest';

import { resolveOptions } from '../../../lib/options/index.js';
import { warnAtBoot } from '../../../lib/warn-at-boot.js';
import {
  PRODUCTION,
  type Scalar,
  TABLE,
  resolve,
  refusal,
  secret,
  shown,
} from './settings-fixtures.js';

describe('the environment', () => {
  it.each(TABLE.flatMap((row) => row.good.map((value) => ({ ...row, value }))))(
    '$variable sets $option to $value',
    ({ option, variable, value }) => {
      const environment = { ...PRODUCTION, [variable]: String(value) };
      expect(resolve({}, environment)).toHaveProperty(option, value);
    },
  );

  const words = [
    '',
    ' ',
    'nonsense!',
    'NaN',
    'Infinity',
    '-1',
    '1e2',
    '0x64',
    '100.0',
    ' 100',
    '100 ',
  ];
  const wrongWords: Partial<Record<Scalar, readonly string[]>> = {
    application: ['', 'Shop', 'a b', '-', 'a/b'],
    defaultSender: ['', 'SMS', 'a b', '-', 'a\n'],
  };
  it.each(
    TABLE.flatMap((row) =>
      (wrongWords[row.option] ?? [...words, '+100', '0100', 'True', 'yes', '1'.repeat(30)]).map(
        (text) => ({ ...row, text }),
      ),
    ),
  )('$variable=$text is refused, naming variable, value and remedy', (row) => {
    const { variable, text, remedy } = row;
    expect(refusal({}, { ...PRODUCTION, [variable]: text })).toBe(
      `The environment variable ${variable} is ${shown(text)}. ${remedy}`,
    );
  });

  it.each(
    TABLE.filter(({ remedy }) => remedy.startsWith('Give a whole')).flatMap((row) => {
      const [min = 0, max = 0] = row.good.map(Number);
      return [min - 1, max + 1].map((value) => ({ ...row, value }));
    }),
  )('$variable=$value is refused for being out of range', ({ variable, value, remedy }) => {
    expect(refusal({}, { ...PRODUCTION, [variable]: String(value) })).toBe(
      `The environment variable ${variable} is "${value}". ${remedy}`,
    );
  });

  it.each<[Scalar, unknown, string, unknown]>([
    ['application', 'shop', 'bank', 'bank'],
    ['defaultSender', 'sms', 'email', 'email'],
    ['ttlSeconds', 300, '120', 120],
    ['ttlSeconds', 300, '300', 300],
    ['useWithinSeconds', 300, '60', 60],
    ['maxAttempts', 5, '3', 3],
    ['maxSends', 5, '1', 1],
    ['resend', 'same', 'rotate', 'rotate'],
    ['databaseTimeoutMs', 5_000, '60000', 60_000],
    ['sendTimeoutMs', 5_000, '60000', 60_000],
    ['preparedStatements', true, 'false', false],
    ['batching', true, 'false', false],
  ])('overrides %s: %s in the code by %s', (option, coded, text, value) => {
    const variable = TABLE.find((row) => row.option === option)?.variable ?? '';
    expect(resolve({ [option]: coded }, { ...PRODUCTION, [variable]: text })).toHaveProperty(
      option,
      value,
    );
  });

  it.each<[Scalar, unknown, string, string]>([
    ['debugCodeResponse', false, 'true', 'test'],
    ['debugCodeResponse', false, 'true', 'production'],
    ['ttlSeconds', 120, '121', 'production'],
    ['useWithinSeconds', 60, '900', 'production'],
    ['maxAttempts', 3, '4', 'production'],
    ['maxSends', 3, '10', 'production'],
  ])('never loosens %s: %s in the code to %s', (option, coded, text, nodeEnvironment) => {
    const variable = TABLE.find((row) => row.option === option)?.variable ?? '';
    expect(refusal({ [option]: coded }, { NODE_ENV: nodeEnvironment, [variable]: text })).toBe(
      `The environment variable ${variable} is "${text}", which is less safe than the option ${option}: ` +
        `${String(coded)} in the code. Unset the variable, or change the option.`,
    );
  });

  it('may turn off what the code turns on', () => {
    const environment = { NODE_ENV: 'test', TWO_FACTOR_DEBUG_CODE_RESPONSE: 'false' };
    expect(resolve({ debugCodeResponse: true }, environment)).toHaveProperty(
      'debugCodeResponse',
      false,
    );
  });

  it('does not hide a wrong value of the code', () => {
    expect(refusal({ maxAttempts: 0 }, { ...PRODUCTION, TWO_FACTOR_MAX_ATTEMPTS: '5' })).toBe(
      'Option maxAttempts is 0. Give a whole number from 1 to 10.',
    );
  });

  it('is not read at all with env: false, except for NODE_ENV', () => {
    const environment = {
      NODE_ENV: 'test',
      TWO_FACTOR_SECRET: 'short',
      TWO_FACTOR_SECRETS: 'no JSON',
      ...Object.fromEntries(TABLE.map(({ variable }) => [variable, 'nonsense!'])),
    };
    const resolved = resolve({ env: false, debugCodeResponse: true }, environment);
    for (const { option, default: value } of TABLE.filter(
      (row) => row.option !== 'debugCodeResponse',
    )) {
      expect(resolved).toHaveProperty(option, value);
    }
    expect(resolved).toHaveProperty('developmentFeatures', true);
    expect(resolved).toHaveProperty('debugCodeResponse', true);
  });

  it.each(['true', 1, null, 'false'])('is not switched by env: %j', (env) => {
    expect(refusal({ env })).toBe(`Option env is ${shown(env)}. Give true or false.`);
  });

  it.each([
    ['TWO_FACTOR_MAX_ATTEMPT', 'TWO_FACTOR_MAX_ATTEMPTS'],
    ['TWO_FACTOR_TTL', 'TWO_FACTOR_TTL_SECONDS'],
    ['TWO_FACTOR_TTL_SECOND', 'TWO_FACTOR_TTL_SECONDS'],
    ['TWO_FACTOR_SECRT', 'TWO_FACTOR_SECRET'],
    ['TWO_FACTOR_BATCHNIG', 'TWO_FACTOR_BATCHING'],
    ['TWO_FACTOR_Max_Sends', 'TWO_FACTOR_MAX_SENDS'],
  ])('warns once at boot of %s, which nothing reads, and names %s', (variable, nearest) => {
    const warnings: string[] = [];
    const logger = new Logger();
    vi.spyOn(logger, 'debug').mockReturnValue(undefined);
    vi.spyOn(logger, 'warn').mockImplementation((line: unknown) => {
      warnings.push(String(line));
    });
    const environment = { ...PRODUCTION, [variable]: '3', TWO_FACTOR_MAX_SENDS: '4' };

    warnAtBoot(logger, resolveOptions({ secret }, environment));
    warnAtBoot(logger, resolveOptions({ secret, env: false }, environment));

    expect(warnings).toEqual([
      `No option has the environment variable ${variable}, which is ignored: rename it if ${nearest} is meant.`,
    ]);
  });

  it('causes no warning by the variables of the scalar options', () => {
    const environment = Object.fromEntries(
      TABLE.map(({ variable, good }) => [variable, String(good[0])]),
    );
    expect(resolve({}, { ...PRODUCTION, ...environment })).toHaveProperty('unknownVariables', []);
  });

  it('is an argument, and process.env is not looked at', () => {
    process.env['TWO_FACTOR_MAX_ATTEMPTS'] = 'nonsense!';
    try {
      expect(resolve({}, PRODUCTION)).toHaveProperty('maxAttempts', 5);
    } finally {
      delete process.env['TWO_FACTOR_MAX_ATTEMPTS'];
    }
  });
});
