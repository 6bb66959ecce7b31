import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { resolveLimits as resolve } from '../../../lib/options/limits.js';
import type { ResolvedLimits } from '../../../lib/options/index.js';

const WITH_BOUND_PURPOSE = {
  longestTtlSeconds: 600,
  hasBoundPurpose: true,
  hasDestinations: false,
};

function resolveLimits(input: unknown): ResolvedLimits {
  return resolve(input, WITH_BOUND_PURPOSE);
}

describe('The limits', () => {
  it('are all on by default, and frozen', () => {
    const limits = resolveLimits(undefined);

    expect(limits).toEqual({
      failures: { lockAfter: 10, lockMs: 30_000, maxLockMs: 900_000, permanentLockAfter: 100 },
      pending: 3,
      sendsPerToken: {
        open: [
          { max: 5, perSeconds: 600 },
          { max: 10, perSeconds: 86_400 },
        ],
        bound: [
          { max: 5, perSeconds: 600 },
          { max: 20, perSeconds: 86_400 },
        ],
      },
      requestsPerRequester: [{ max: 60, perSeconds: 3_600 }],
      sendsPerRequester: [{ max: 10, perSeconds: 3_600 }],
      sendsPerNetwork: [
        { ipv4: 24, ipv6: 48, max: 60, perSeconds: 3_600 },
        { ipv6: 56, max: 30, perSeconds: 3_600 },
      ],
      // Without a sender with rules for phone numbers there is no prefix to count.
      sendsPerPrefix: null,
      sendsPerSender: [],
      sendsInTotal: {
        open: [{ max: 500, perSeconds: 3_600 }],
        bound: [{ max: 5_000, perSeconds: 3_600 }],
      },
      requester: undefined,
      normalizeToken: undefined,
      sprayDetection: { confirmations: 20, perMs: 600_000 },
    });
    expect(resolveLimits({})).toEqual(limits);
    for (const part of [
      limits,
      limits.failures,
      limits.sendsPerToken,
      limits.sendsPerToken.open,
      limits.sendsPerToken.bound[0],
      limits.sendsPerNetwork[0],
      limits.sendsInTotal,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('can be switched off by false, together or one by one', () => {
    const noClass = { open: [], bound: [] };
    const off = {
      failures: null,
      pending: null,
      sendsPerToken: noClass,
      sendsPerRequester: [],
      sendsPerNetwork: [],
      sendsPerSender: [],
      sendsInTotal: noClass,
      sprayDetection: null,
    };
    expect(resolveLimits(false)).toMatchObject(off);
    for (const [name, value] of Object.entries(off)) {
      expect(resolveLimits({ [name]: false })).toEqual({ ...resolveLimits({}), [name]: value });
    }
  });

  it('keep the default of what is left out', () => {
    expect(
      resolveLimits({ failures: { lockAfter: 5 }, pending: { max: undefined } }),
    ).toMatchObject({
      failures: { lockAfter: 5, lockMs: 30_000, permanentLockAfter: 100 },
      pending: 3,
    });
  });

  it('give the open class 1,000 messages an hour in all when no purpose is bound', () => {
    const { sendsInTotal } = resolve(
      {},
      { ...WITH_BOUND_PURPOSE, hasBoundPurpose: false, hasDestinations: false },
    );

    expect(sendsInTotal).toEqual({
      open: [{ max: 1_000, perSeconds: 3_600 }],
      bound: [{ max: 5_000, perSeconds: 3_600 }],
    });
  });

  it.each(['sendsPerToken', 'sendsInTotal'] as const)(
    'hold for both classes when %s is a list, and keep the default of a class that is left out',
    (name) => {
      const list = [{ max: 7, perSeconds: 60 }];

      expect(resolveLimits({ [name]: list })[name]).toEqual({ open: list, bound: list });
      expect(resolveLimits({ [name]: { open: list } })[name]).toEqual({
        ...resolveLimits({})[name],
        open: list,
      });
      expect(resolveLimits({ [name]: { bound: false } })[name]).toEqual({
        ...resolveLimits({})[name],
        bound: [],
      });
    },
  );

  it('take the first lock as the longest when it is longer than the default of the longest', () => {
    expect(resolveLimits({ failures: { lockSeconds: 1_200 } }).failures).toMatchObject({
      lockMs: 1_200_000,
      maxLockMs: 1_200_000,
    });
  });

  it('refuse a longest lock below the longest life of a code, and take one of that length', () => {
    const surroundings = {
      longestTtlSeconds: 3_600,
      hasBoundPurpose: true,
      hasDestinations: false,
    };
    for (const input of [{}, { failures: { maxLockSeconds: 3_599 } }]) {
      expect(() => resolve(input, surroundings)).toThrow(TwoFactorConfigurationError);
      expect(() => resolve(input, surroundings)).toThrow(
        "and a code lives 3600 seconds, so that several locks end within one code's life and each message buys " +
          'several guesses. Give at least 3600, or shorten ttlSeconds.',
      );
    }
    const { failures } = resolve({ failures: { maxLockSeconds: 3_600 } }, surroundings);
    expect(failures?.maxLockMs).toBe(3_600_000);
  });

  it('count a network under each of the families that it has a prefix for', () => {
    const networks = [
      { ipv4: 24, max: 9, perSeconds: 60 },
      { ipv6: 48, max: 9, perSeconds: 60 },
      { ipv4: 16, ipv6: 32, max: 9, perSeconds: 60 },
    ];

    expect(resolveLimits({ sendsPerNetwork: networks }).sendsPerNetwork).toEqual(networks);
  });

  it.each<[unknown, string]>([
    [null, 'Option limits is null. Give an object or false.'],
    [true, 'Option limits is true. Give an object or false.'],
    [
      { sends: 5 },
      'There is no limit sends. Known: failures, normalizeToken, pending, requester, requestsPerRequester, sendsInTotal,',
    ],
    [{ failures: true }, 'Option limits.failures is true. Give an object or false.'],
    [{ failures: { lockfrom: 9 } }, 'There is no member of limits.failures: lockfrom.'],
    [
      { failures: { lockAfter: 2 } },
      'limits.failures.lockAfter is 2. Give a whole number from 3 to 50.',
    ],
    [{ failures: { lockAfter: '10' } }, 'limits.failures.lockAfter is "10".'],
    [{ failures: { lockSeconds: 0 } }, 'limits.failures.lockSeconds is 0.'],
    [
      { failures: { lockSeconds: 60, maxLockSeconds: 59 } },
      'maxLockSeconds is 59. Give a whole number from 60',
    ],
    [
      { failures: { permanentLockAfter: 101 } },
      'limits.failures.permanentLockAfter is 101. Give a whole number from 10 to 100.',
    ],
    [
      { failures: { lockAfter: 20, permanentLockAfter: 19 } },
      'permanentLockAfter is 19. Give a whole number from 20 to 100.',
    ],
    [{ pending: 3 }, 'Option limits.pending is 3. Give an object or false.'],
    [{ pending: { max: 11 } }, 'limits.pending.max is 11. Give a whole number from 1 to 10.'],
    [{ sendsPerToken: [] }, 'Option limits.sendsPerToken is an empty list. Give a list such as'],
    [
      { sendsPerToken: { max: 5, perSeconds: 60 } },
      'There is no member of limits.sendsPerToken: max. Known: bound, open.',
    ],
    [
      { sendsPerToken: 5 },
      'Option limits.sendsPerToken is 5. Give a list such as [{ max: 5, perSeconds: 3600 }], { open, bound } with',
    ],
    [{ sendsPerToken: { open: [] } }, 'Option limits.sendsPerToken.open is an empty list.'],
    [
      { sendsPerToken: { bound: { max: 5, perSeconds: 60 } } },
      'Option limits.sendsPerToken.bound is a value of type object. Give a list such as',
    ],
    [
      { sendsInTotal: { open: [{ max: 5, perSeconds: 0 }] } },
      'limits.sendsInTotal.open[0].perSeconds is 0.',
    ],
    [
      { sendsPerRequester: { max: 5, perSeconds: 60 } },
      'Option limits.sendsPerRequester is a value of type object. Give a list such as',
    ],
    [
      { sendsPerNetwork: [{ max: 5, perSeconds: 60 }] },
      'Option limits.sendsPerNetwork[0] counts no network. Give ipv4, ipv6 or both: the length of the prefix in bits.',
    ],
    [
      { sendsPerNetwork: [{ ipv4: 7, max: 5, perSeconds: 60 }] },
      'limits.sendsPerNetwork[0].ipv4 is 7. Give a whole number from 8 to 32.',
    ],
    [
      { sendsPerNetwork: [{ ipv6: 129, max: 5, perSeconds: 60 }] },
      'limits.sendsPerNetwork[0].ipv6 is 129. Give a whole number from 16 to 128.',
    ],
    [
      { sendsPerNetwork: [{ ipv4: 24, max: 5, perSeconds: 60, network: 'a' }] },
      'There is no member of limits.sendsPerNetwork[0]: network.',
    ],
    [
      {
        sendsPerNetwork: [
          { ipv4: 24, ipv6: 48, max: 5, perSeconds: 60 },
          { ipv6: 48, max: 6, perSeconds: 60 },
        ],
      },
      'Option limits.sendsPerNetwork has two budgets per 60 seconds. Keep the smaller one.',
    ],
    [
      { failures: { maxLockSeconds: 599 } },
      'Option limits.failures.maxLockSeconds is 599, and a code lives 600 seconds',
    ],
    [{ sendsPerToken: [{ max: 0, perSeconds: 60 }] }, 'limits.sendsPerToken[0].max is 0.'],
    [{ sendsInTotal: [{ max: 5 }] }, 'limits.sendsInTotal[0].perSeconds is undefined.'],
    [{ sendsInTotal: [{ max: Number.NaN, perSeconds: 5 }] }, 'limits.sendsInTotal[0].max is NaN.'],
    [{ sendsPerSender: [null] }, 'Option limits.sendsPerSender[0] is null.'],
    [
      { sendsPerRequester: [{ max: 1, perSeconds: 1, per: 'ip' }] },
      'There is no member of limits.sendsPerRequester[0]: per.',
    ],
    [
      {
        sendsInTotal: [
          { max: 5, perSeconds: 60 },
          { max: 6, perSeconds: 60 },
        ],
      },
      'Option limits.sendsInTotal has two budgets per 60 seconds. Keep the smaller one.',
    ],
    [{ requester: 'ip' }, 'Option limits.requester is "ip". Give a function.'],
    [{ normalizeToken: null }, 'Option limits.normalizeToken is null. Give a function.'],
    [{ sprayDetection: { confirmations: 1 } }, 'limits.sprayDetection.confirmations is 1.'],
    [{ sprayDetection: { perSeconds: Infinity } }, 'limits.sprayDetection.perSeconds is Infinity.'],
  ])('refuse %o', (limits, sentence) => {
    expect(() => resolveLimits(limits)).toThrow(TwoFactorConfigurationError);
    expect(() => resolveLimits(limits)).toThrow(sentence);
  });

  describe('of prefixes', () => {
    const WITH_DESTINATIONS = { ...WITH_BOUND_PURPOSE, hasDestinations: true };
    const prefixes = (sendsPerPrefix?: unknown): unknown =>
      resolve({ sendsPerPrefix }, WITH_DESTINATIONS).sendsPerPrefix;

    it('only record by default, and are off when that is asked for', () => {
      const recorded = {
        mode: 'record',
        prefixDigits: 3,
        min: 50,
        ratio: 0.2,
        windowMs: 3_600_000,
      };
      expect(prefixes()).toEqual(recorded);
      expect(prefixes({ mode: 'deny', min: 200 })).toEqual({ ...recorded, mode: 'deny', min: 200 });
      expect(prefixes(false)).toBeNull();
      expect(resolve(false, WITH_DESTINATIONS).sendsPerPrefix).toBeNull();
    });

    it.each([
      [null, 'Option limits.sendsPerPrefix is null. Give an object or false.'],
      [{ max: 5 }, 'There is no member of limits.sendsPerPrefix: max.'],
      [{ mode: 'refuse' }, "limits.sendsPerPrefix.mode is \"refuse\". Give 'record' or 'deny'."],
      [{ prefixDigits: 0 }, 'limits.sendsPerPrefix.prefixDigits is 0.'],
      [{ prefixDigits: 8 }, 'limits.sendsPerPrefix.prefixDigits is 8.'],
      [{ min: 9 }, 'limits.sendsPerPrefix.min is 9.'],
      [{ ratio: 20 }, 'limits.sendsPerPrefix.ratio is 20. Give a number from 0.01 to 0.9: 0.2 for'],
      [{ ratio: 0 }, 'limits.sendsPerPrefix.ratio is 0.'],
      [{ ratio: Number.NaN }, 'limits.sendsPerPrefix.ratio is NaN.'],
      [{ perSeconds: 59 }, 'limits.sendsPerPrefix.perSeconds is 59.'],
    ])('refuse %o', (given, sentence) => {
      expect(() => prefixes(given)).toThrow(TwoFactorConfigurationError);
      expect(() => prefixes(given)).toThrow(sentence);
    });
  });
});
