import { describe, expect, it } from 'vitest';

import {
  DEFAULTS,
  maxBatchSize,
  resolveOptions,
  type TwoFactorOptions,
} from '../../../lib/options/index.js';
import { secret, PRODUCTION, TABLE, resolve, refusal, shown } from './settings-fixtures.js';

describe('the scalar options', () => {
  it('are all in the table of these tests', () => {
    const other = new Set([
      'autoPurge',
      'clock',
      'codeGenerator',
      'cooldownSeconds',
      'limits',
      'worker',
    ]);
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

  it('is the largest number of calls in a batch, 1 when batching is off', () => {
    const sizes = [true, false, { maxSize: 7 }].map((join) => maxBatchSize({ batching: join }));

    expect(sizes).toEqual([128, 1, 7]);
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

describe('The options without a test file of their own', () => {
  it('have their documented defaults', () => {
    const resolved = resolveOptions({ secret }, PRODUCTION);
    expect(resolved.senders.size).toBe(0);
    expect(resolved.purposes.size).toBe(0);
    expect(resolved.cooldownSeconds).toEqual([30, 60, 120, 300]);
    expect(resolved.autoPurge).toEqual({ everySeconds: 600, keepSeconds: 86_400 });
    expect(resolved.codeGenerator()).toMatch(/^\d{6}$/);
    const before = Date.now();
    const now = resolved.clock.now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
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

  it.each<[unknown, string]>([
    [true, 'Option worker is true. Give an object or false.'],
    [null, 'Option worker is null. Give an object or false.'],
    [{ every: 5 }, 'There is no member of worker: every. Known: concurrency, pollSeconds.'],
    ...[0, 65, -1, Number.NaN, Infinity, '4', null, 1.5].map((value): [unknown, string] => [
      { concurrency: value },
      `Option worker.concurrency is ${shown(value)}. Give a whole number from 1 to 64.`,
    ]),
    ...[0, 301, -1, Number.NaN, Infinity, '4', null, 1.5].map((value): [unknown, string] => [
      { pollSeconds: value },
      `Option worker.pollSeconds is ${shown(value)}. Give a whole number from 1 to 300.`,
    ]),
  ])('refuse worker: %j', (worker, message) => {
    expect(refusal({ worker })).toBe(message);
  });

  it('take worker: false, and halves of it', () => {
    expect(resolve({ worker: false })).toHaveProperty('worker', false);
    expect(resolve({ worker: { concurrency: 8 } })).toHaveProperty('worker', {
      concurrency: 8,
      pollSeconds: 5,
    });
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
      'There is no option maxAttemps. Known: allowTestRecipientsInProduction, application, autoPurge, batching, clock, ' +
        'codeGenerator, cooldownSeconds, databaseTimeoutMs, debugCodeResponse, defaultSender, delivery, env, limits, ' +
        'maxAttempts, maxSends, messages, methods, preparedStatements, purposes, resend, secret, secrets, sendTimeoutMs, ' +
        'senders, testRecipients, ttlSeconds, useWithinSeconds, worker.',
    );
  });

  it.each([undefined, null, 5, 'secret', [], () => ({})])(
    'are refused when they are no object: %o',
    (options) => {
      expect(() => resolveOptions(options, PRODUCTION)).toThrow(
        /^The options of TwoFactorModule is .+\. Give an object\.$/,
      );
    },
  );
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
      'There is no member of sender sms: verbose. Known: backend, destinations, options, verboseName.',
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
