import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/errors/index.js';
import {
  DEFAULTS,
  maxBatchSize,
  resolveOptions,
  purposeAccess,
  type TwoFactorOptions,
} from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';

const secret = secretOf('the settings');
const PRODUCTION = { NODE_ENV: 'production' };

type Scalar = Exclude<
  keyof typeof DEFAULTS,
  'autoPurge' | 'clock' | 'codeGenerator' | 'cooldownSeconds'
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
const TABLE: readonly Row[] = [
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

function resolve(options: object, environment: NodeJS.ProcessEnv = PRODUCTION): unknown {
  return resolveOptions({ secret, ...options }, environment);
}

/** The message of the refusal; a resolution that is not refused fails the test. */
function refusal(options: object, environment: NodeJS.ProcessEnv = PRODUCTION): string {
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
function shown(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null
    ? 'a value of type object'
    : typeof value === 'bigint'
      ? 'a value of type bigint'
      : String(value);
}

describe('the scalar options', () => {
  it('are all in the table of these tests', () => {
    const other = new Set(['autoPurge', 'clock', 'codeGenerator', 'cooldownSeconds', 'limits']);
    expect(TABLE.map(({ option }) => option).toSorted()).toEqual(
      Object.keys(DEFAULTS)
        .filter((option) => !other.has(option))
        .toSorted(),
    );
  });

  it.each(TABLE)('$option is $default by default', (row) => {
    expect(resolve({})).toHaveProperty(row.option, row.default);
    expect(resolve({ [row.option]: undefined })).toHaveProperty(row.option, row.default);
  });

  it.each(TABLE.flatMap((row) => row.good.map((value) => ({ ...row, value }))))(
    '$option may be $value',
    ({ option, value }) => {
      expect(resolve({ [option]: value })).toHaveProperty(option, value);
    },
  );

  it.each(TABLE.flatMap((row) => row.bad.map((value) => ({ ...row, value }))))(
    '$option may not be $value, and the refusal names option, value and remedy',
    ({ option, value, remedy }) => {
      expect(refusal({ [option]: value })).toBe(`Option ${option} is ${shown(value)}. ${remedy}`);
    },
  );
});

describe('batching', () => {
  it('also takes how many may go together', () => {
    for (const maxSize of [2, 1_000]) {
      expect(resolve({ batching: { maxSize } })).toHaveProperty('batching', { maxSize });
    }
  });

  it('is how many go together, 1 for nobody with anybody', () => {
    const sizes = [true, false, { maxSize: 7 }].map((join) => maxBatchSize({ batching: join }));

    expect(sizes).toEqual([128, 1, 7]);
  });
});

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

  it('is an argument, and process.env is not looked at', () => {
    process.env['TWO_FACTOR_MAX_ATTEMPTS'] = 'nonsense!';
    try {
      expect(resolve({}, PRODUCTION)).toHaveProperty('maxAttempts', 5);
    } finally {
      delete process.env['TWO_FACTOR_MAX_ATTEMPTS'];
    }
  });
});

describe('development features', () => {
  it.each([
    ['development', true],
    ['test', true],
    ['production', false],
    ['', false],
    ['Test', false],
    ['testing', false],
    ['dev', false],
    ['development ', false],
    [undefined, false],
  ])('with NODE_ENV=%j are %j', (nodeEnvironment, allowed) => {
    const environment = nodeEnvironment === undefined ? {} : { NODE_ENV: nodeEnvironment };
    expect(resolve({}, environment)).toHaveProperty('developmentFeatures', allowed);
  });

  it.each(['production', '', 'staging', undefined])(
    'refuse debugCodeResponse with NODE_ENV=%j, from the code or the environment',
    (nodeEnvironment) => {
      const environment = nodeEnvironment === undefined ? {} : { NODE_ENV: nodeEnvironment };
      const message =
        'Option debugCodeResponse is true, and NODE_ENV is neither "development" nor "test", so that anybody could ' +
        'read the codes: remove the option (or TWO_FACTOR_DEBUG_CODE_RESPONSE).';
      expect(refusal({ debugCodeResponse: true }, environment)).toBe(message);
      expect(refusal({}, { ...environment, TWO_FACTOR_DEBUG_CODE_RESPONSE: 'true' })).toBe(message);
    },
  );

  it.each(['development', 'test'])('allow debugCodeResponse with NODE_ENV=%s', (NODE_ENV) => {
    expect(resolve({ debugCodeResponse: true }, { NODE_ENV })).toHaveProperty(
      'debugCodeResponse',
      true,
    );
  });
});

describe('the other options', () => {
  it('have their documented defaults', () => {
    const resolved = resolveOptions({ secret }, PRODUCTION);
    expect(resolved.senders.size).toBe(0);
    expect(resolved.purposes.size).toBe(0);
    expect(resolved.cooldownSeconds).toEqual([30, 60, 120, 300]);
    expect(resolved.autoPurge).toEqual({ everySeconds: 600, keepSeconds: 86_400 });
    expect(resolved.codeGenerator()).toMatch(/^\d{6}$/);
    expect(Math.abs(resolved.clock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('treat undefined as absent', () => {
    const options: Record<string, undefined> = Object.fromEntries(
      ['senders', 'purposes', 'cooldownSeconds', 'autoPurge', 'codeGenerator', 'clock', 'env'].map(
        (option) => [option, undefined],
      ),
    );
    expect(resolve(options)).toHaveProperty('autoPurge.everySeconds', 600);
  });

  it.each<[string, unknown, string]>([
    ['cooldownSeconds', [], 'Option cooldownSeconds is an empty list.'],
    ['cooldownSeconds', 30, 'Option cooldownSeconds is 30.'],
    ['cooldownSeconds', null, 'Option cooldownSeconds is null.'],
    ['cooldownSeconds', '30', 'Option cooldownSeconds is "30".'],
    ['cooldownSeconds', [30, 0], 'Option cooldownSeconds[1] is 0.'],
    ['cooldownSeconds', [4], 'Option cooldownSeconds[0] is 4.'],
    ['cooldownSeconds', [3_601], 'Option cooldownSeconds[0] is 3601.'],
    ['cooldownSeconds', [30, -60], 'Option cooldownSeconds[1] is -60.'],
    ['cooldownSeconds', [Number.NaN], 'Option cooldownSeconds[0] is NaN.'],
    ['cooldownSeconds', ['30'], 'Option cooldownSeconds[0] is "30".'],
    ['cooldownSeconds', Object.assign([], { 1: 30 }), 'Option cooldownSeconds[0] is undefined.'],
  ])('refuse %s: %j', (option, value, complaint) => {
    expect(refusal({ [option]: value })).toBe(
      `${complaint} Give a list of whole numbers from 5 to 3600, such as [30, 60, 120].`,
    );
  });

  it.each([[[5]], [[3_600, 5]], [[30, 30, 30, 30, 30, 30]]])(
    'take cooldownSeconds: %j',
    (value) => {
      expect(resolve({ cooldownSeconds: value })).toHaveProperty('cooldownSeconds', value);
    },
  );

  it.each<[unknown, string]>([
    [true, 'Option autoPurge is true. Give an object or false.'],
    [null, 'Option autoPurge is null. Give an object or false.'],
    [600, 'Option autoPurge is 600. Give an object or false.'],
    [[], 'Option autoPurge is an array. Give an object or false.'],
    [{ every: 5 }, 'There is no member of autoPurge: every. Known: everySeconds, keepSeconds.'],
    ...[0, 9, 86_401, -1, Number.NaN, Infinity, '600', null, 10.5].map(
      (value): [unknown, string] => [
        { everySeconds: value },
        `Option autoPurge.everySeconds is ${shown(value)}. Give a whole number from 10 to 86400.`,
      ],
    ),
    ...[-1, 31_536_001, Number.NaN, Infinity, '600', null, 0.5].map((value): [unknown, string] => [
      { keepSeconds: value },
      `Option autoPurge.keepSeconds is ${shown(value)}. Give a whole number from 0 to 31536000.`,
    ]),
  ])('refuse autoPurge: %j', (autoPurge, message) => {
    expect(refusal({ autoPurge })).toBe(message);
  });

  it('take autoPurge: false, and halves of it', () => {
    expect(resolve({ autoPurge: false })).toHaveProperty('autoPurge', false);
    expect(resolve({ autoPurge: { everySeconds: 10 } })).toHaveProperty('autoPurge', {
      everySeconds: 10,
      keepSeconds: 86_400,
    });
    expect(resolve({ autoPurge: { everySeconds: undefined, keepSeconds: 0 } })).toHaveProperty(
      'autoPurge',
      { everySeconds: 600, keepSeconds: 0 },
    );
  });

  it.each<[unknown, string]>([
    [null, 'Option clock has no method now(). Give { now: () => epochMilliseconds }.'],
    [{}, 'Option clock has no method now(). Give { now: () => epochMilliseconds }.'],
    [{ now: 5 }, 'Option clock has no method now(). Give { now: () => epochMilliseconds }.'],
    [Date.now, 'Option clock has no method now(). Give { now: () => epochMilliseconds }.'],
    ...[Number.NaN, 1.5, -1, '5', undefined, Infinity].map((time): [unknown, string] => [
      { now: () => time },
      `Option clock tells the time as ${shown(time)}. Give { now: () => epochMilliseconds }, a whole number.`,
    ]),
  ])('refuse clock: %o', (clock, message) => {
    expect(refusal({ clock })).toBe(message);
  });

  it.each([null, '123456', 6, {}])('refuse codeGenerator: %j', (codeGenerator) => {
    expect(refusal({ codeGenerator })).toBe(
      `Option codeGenerator is ${shown(codeGenerator)}. Give a function.`,
    );
  });

  it('are refused by name when there is no such option', () => {
    expect(refusal({ maxAttemps: 5 })).toBe(
      'There is no option maxAttemps. Known: application, autoPurge, batching, clock, codeGenerator, cooldownSeconds, ' +
        'databaseTimeoutMs, debugCodeResponse, defaultSender, env, limits, maxAttempts, maxSends, preparedStatements, ' +
        'purposes, resend, secret, secrets, sendTimeoutMs, senders, ttlSeconds, useWithinSeconds.',
    );
  });

  it.each([undefined, null, 5, 'secret', [], () => ({})])('are no object: %o', (options) => {
    expect(() => resolveOptions(options, PRODUCTION)).toThrow(
      /^The options of TwoFactorModule is .+\. Give an object\.$/,
    );
  });
});

describe('senders', () => {
  it.each<[unknown, string]>([
    [null, 'Option senders is null. Give an object.'],
    ['sms', 'Option senders is "sms". Give an object.'],
    [[], 'Option senders is an array. Give an object.'],
    [{ sms: null }, 'Sender sms is null. Give an object.'],
    [{ sms: 'email' }, 'Sender sms is "email". Give an object.'],
    [
      { sms: {} },
      'Sender sms has no backend. Give the name of a decorated class, a class or a factory.',
    ],
    [
      { sms: { backend: null } },
      'Sender sms has no backend. Give the name of a decorated class, a class or a factory.',
    ],
    [
      { sms: { backend: 'x', verbose: 'X' } },
      'There is no member of sender sms: verbose. Known: backend, options, verboseName.',
    ],
    [
      { sms: { backend: 'x', verboseName: 5 } },
      'The verboseName of sender sms is not a string. Give one.',
    ],
    [
      { SMS: { backend: 'x' } },
      'The sender name "SMS" is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
    [
      JSON.parse('{"__proto__":{"backend":"x"}}'),
      'The sender name "__proto__" is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
  ])('%j is refused', (senders, message) => {
    expect(refusal({ senders })).toBe(message);
  });

  it('keep the very object of their own options, not frozen: it may be the client of an SDK', () => {
    const client = { region: 'eu', nested: { calls: 0 } };
    const resolved = resolveOptions(
      { secret, senders: { sms: { backend: 'sms', options: client } } },
      PRODUCTION,
    );
    expect(resolved.senders.get('sms')?.options).toBe(client);
    client.nested.calls += 1;
    client.region = 'us';
    expect(resolved.senders.get('sms')?.options).toEqual({ region: 'us', nested: { calls: 1 } });
  });
});

const subject = (): string => 'user-1';
const recipient = (): string => 'ann@example.com';
const details = (): string => 'a plan';

describe('purposes', () => {
  it('are open without resolvers, and bound with both', () => {
    const purposes = {
      '': { open: true },
      'sign-up': { open: true, senders: ['email'], details },
      login: {},
      transfer: { subject, recipient, ttlSeconds: 30 },
      'change-phone': { subject, recipient: 'client', senders: ['sms', 'voice'] },
    } as const;
    const resolved = resolveOptions({ secret, purposes }, PRODUCTION);
    expect(Object.fromEntries(resolved.purposes)).toEqual(purposes);
    expect(purposeAccess(resolved)).toEqual({
      open: ['', 'sign-up', 'login'],
      bound: ['transfer', 'change-phone'],
    });
  });

  it('have the one without a name only when it is declared, or none is', () => {
    const touchable = (purposes: unknown): unknown =>
      purposeAccess(resolveOptions({ secret, purposes }, PRODUCTION));
    expect(touchable(undefined)).toEqual({ open: [''], bound: [] });
    expect(touchable({})).toEqual({ open: [''], bound: [] });
    expect(touchable({ login: { open: true } })).toEqual({ open: ['login'], bound: [] });
    expect(touchable({ login: { subject, recipient } })).toEqual({ open: [], bound: ['login'] });
  });

  it.each([
    ['subject', 'recipient', { subject }],
    ['recipient', 'subject', { recipient }],
    ['recipient', 'subject', { recipient: 'client' }],
    ['subject', 'recipient', { subject, recipient: undefined }],
  ])('with a %s but no %s are refused with both remedies', (has, lacks, transfer) => {
    expect(refusal({ purposes: { transfer } })).toBe(
      `Purpose transfer has a ${has} but no ${lacks}: a client could have the code for another user sent to itself. Give ` +
        "both (recipient: 'client' where the client names the token), or open: true alone for a purpose that proves the " +
        'token and nothing else.',
    );
  });

  it.each([
    ['subject', { subject }],
    ['recipient', { recipient }],
    ['recipient', { recipient: 'client' }],
    ['subject', { subject, recipient }],
  ])('that are open and have a %s are refused', (has, parties) => {
    expect(refusal({ purposes: { login: { open: true, ...parties } } })).toBe(
      `Purpose login is open and has a ${has}. Leave open out and give subject and recipient, or leave both out.`,
    );
    expect(refusal({ purposes: { '': parties } })).toMatch(/^Purpose '' has a .+ is open\./);
  });

  it.each<[unknown, string]>([
    [null, 'Option purposes is null. Give an object.'],
    [['login'], 'Option purposes is an array. Give an object.'],
    [{ login: true }, 'Purpose login is true. Give an object.'],
    [
      { Login: {} },
      'The purpose name "Login" is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
    [
      { 'login ': {} },
      'The purpose name "login " is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
    [
      { login: { subject: 'user-1', recipient } },
      'Option purposes.login.subject is "user-1". Give a function.',
    ],
    [
      { login: { subject, recipient: null } },
      "Option purposes.login.recipient is null. Give a function, or 'client' where the client names the token.",
    ],
    ...[false, 'yes', null].map((open): [unknown, string] => [
      { login: { open } },
      `Option purposes.login.open is ${shown(open)}. Give true, or leave it out and give subject and recipient.`,
    ]),
    ...['sms', [], ['sms', 'sms'], ['SMS'], [''], [7], {}].map((senders): [unknown, string] => [
      { login: { open: true, senders } },
      `Option purposes.login.senders is ${shown(senders)}. Give a list of different names of senders, each 1 to 64 of a-z, ` +
        '0-9 and "-", not beginning with "-"; leave it out for all senders.',
    ]),
    [
      { login: { open: true, details: { amount: 'string' } } },
      'Option purposes.login.details is a value of type object. Give a function.',
    ],
    [
      { login: { subjects: subject } },
      'There is no member of purpose login: subjects. Known: details, open, recipient, senders, subject, ttlSeconds.',
    ],
    ...[29, 601, 0, -1, Number.NaN, Infinity, '600', null].map((ttlSeconds): [unknown, string] => [
      { login: { ttlSeconds } },
      `Option purposes.login.ttlSeconds is ${shown(ttlSeconds)}. Give a whole number from 30 to 600.`,
    ]),
  ])('%j are refused', (purposes, message) => {
    expect(refusal({ purposes })).toBe(message);
  });
});

describe('the resolved options', () => {
  it('are frozen', () => {
    const resolved = resolveOptions(
      { secret, senders: { sms: { backend: 'sms' } }, purposes: { login: {} } },
      PRODUCTION,
    );
    expect(Object.isFrozen(resolved)).toBe(true);
    expect(Object.isFrozen(resolved.cooldownSeconds)).toBe(true);
    expect(Object.isFrozen(resolved.autoPurge)).toBe(true);
    expect(Object.isFrozen(resolved.senders.get('sms'))).toBe(true);
    expect(Object.isFrozen(resolved.purposes.get('login'))).toBe(true);
    expect(Reflect.set(resolved, 'maxAttempts', 1_000)).toBe(false);
    expect(resolved.maxAttempts).toBe(5);
  });

  it('do not follow what happens to the input later', () => {
    const bytes = Buffer.from(secret);
    const input = {
      secret: bytes,
      maxAttempts: 3,
      cooldownSeconds: [30, 60],
      autoPurge: { everySeconds: 60, keepSeconds: 60 },
      senders: { sms: { backend: 'sms' } } as Record<string, { backend: unknown }>,
      purposes: { login: { ttlSeconds: 60 } } as Record<string, { ttlSeconds: number }>,
    };
    const resolved = resolveOptions(input satisfies TwoFactorOptions, PRODUCTION);
    const { kid } = resolved.keyRing.current;

    bytes.fill(0);
    input.maxAttempts = 1_000;
    input.cooldownSeconds.length = 0;
    input.autoPurge.everySeconds = 0;
    input.senders['sms']!.backend = 'evil';
    input.senders['more'] = { backend: 'evil' };
    input.purposes['login']!.ttlSeconds = 86_400;
    input.purposes['more'] = { ttlSeconds: 1 };

    expect(resolved.keyRing.current.kid).toBe(kid);
    expect(resolveOptions({ secret }, PRODUCTION).keyRing.current.kid).toBe(kid);
    expect(resolved.maxAttempts).toBe(3);
    expect(resolved.cooldownSeconds).toEqual([30, 60]);
    expect(resolved.autoPurge).toEqual({ everySeconds: 60, keepSeconds: 60 });
    expect([...resolved.senders]).toEqual([['sms', { backend: 'sms' }]]);
    expect([...resolved.purposes]).toEqual([['login', { ttlSeconds: 60 }]]);
  });

  it('leave the input as it was, and can be made twice from it', () => {
    const input = Object.freeze({
      secret,
      cooldownSeconds: Object.freeze([30]),
      senders: Object.freeze({ sms: Object.freeze({ backend: 'sms' }) }),
    });
    expect(resolveOptions(input, PRODUCTION).cooldownSeconds).toEqual(
      resolveOptions(input, PRODUCTION).cooldownSeconds,
    );
  });

  it('hold no raw secret', () => {
    const resolved = resolveOptions({ secret }, PRODUCTION);
    expect(resolved).not.toHaveProperty('secret');
    expect(resolved).not.toHaveProperty('secrets');
  });
});
