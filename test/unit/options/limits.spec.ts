import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { resolveLimits } from '../../../lib/options/limits.js';

describe('The limits', () => {
  it('are all on by default, and frozen', () => {
    const limits = resolveLimits(undefined);

    expect(limits).toEqual({
      failures: { lockAfter: 10, lockMs: 30_000, maxLockMs: 3_600_000, permanentLockAfter: 100 },
      pending: 3,
      sendsPerToken: [
        { max: 5, perSeconds: 3_600 },
        { max: 10, perSeconds: 86_400 },
      ],
      sendsPerRequester: [{ max: 10, perSeconds: 3_600 }],
      sendsPerSender: [{ max: 1_000, perSeconds: 3_600 }],
      sendsInTotal: [{ max: 1_000, perSeconds: 3_600 }],
      requester: undefined,
      normalizeToken: undefined,
      guessing: { confirmations: 20, perMs: 600_000 },
    });
    expect(resolveLimits({})).toEqual(limits);
    for (const part of [limits, limits.failures, limits.sendsPerToken, limits.sendsPerToken[0]]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('are all off with false, and each for itself', () => {
    const off = {
      failures: null,
      pending: null,
      sendsPerToken: [],
      sendsPerRequester: [],
      sendsPerSender: [],
      sendsInTotal: [],
      guessing: null,
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

  it.each<[unknown, string]>([
    [null, 'Option limits is null. Give an object or false.'],
    [true, 'Option limits is true. Give an object or false.'],
    [{ sends: 5 }, 'There is no limit sends. Known: failures, guessing, normalizeToken, pending,'],
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
      'Option limits.sendsPerToken is a value of type object.',
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
    [{ guessing: { confirmations: 1 } }, 'limits.guessing.confirmations is 1.'],
    [{ guessing: { perSeconds: Infinity } }, 'limits.guessing.perSeconds is Infinity.'],
  ])('refuse %o', (limits, sentence) => {
    expect(() => resolveLimits(limits)).toThrow(TwoFactorConfigurationError);
    expect(() => resolveLimits(limits)).toThrow(sentence);
  });
});
