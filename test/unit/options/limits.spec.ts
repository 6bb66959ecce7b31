import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { resolveLimits } from '../../../lib/options/limits.js';

describe('The limits', () => {
  it('are all on by default, and frozen', () => {
    const limits = resolveLimits(undefined);

    expect(limits).toEqual({
      failures: { lockFrom: 10, lockMs: 30_000, maxLockMs: 3_600_000, stopAt: 100 },
      live: 3,
      sendsPerToken: [
        { max: 5, perSeconds: 3_600 },
        { max: 10, perSeconds: 86_400 },
      ],
      sendsPerStarter: [{ max: 10, perSeconds: 3_600 }],
      sendsPerSender: [{ max: 1_000, perSeconds: 3_600 }],
      sendsInTotal: [{ max: 1_000, perSeconds: 3_600 }],
      starter: undefined,
      canonicalToken: undefined,
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
      live: null,
      sendsPerToken: [],
      sendsPerStarter: [],
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
    expect(resolveLimits({ failures: { lockFrom: 5 }, live: { max: undefined } })).toMatchObject({
      failures: { lockFrom: 5, lockMs: 30_000, stopAt: 100 },
      live: 3,
    });
  });

  it.each<[unknown, string]>([
    [null, 'Option limits is null. Give an object or false.'],
    [true, 'Option limits is true. Give an object or false.'],
    [{ sends: 5 }, 'There is no limit sends. Known: canonicalToken, failures, guessing, live,'],
    [{ failures: true }, 'Option limits.failures is true. Give an object or false.'],
    [{ failures: { lockfrom: 9 } }, 'There is no member of limits.failures: lockfrom.'],
    [
      { failures: { lockFrom: 2 } },
      'limits.failures.lockFrom is 2. Give a whole number from 3 to 50.',
    ],
    [{ failures: { lockFrom: '10' } }, 'limits.failures.lockFrom is "10".'],
    [{ failures: { lockSeconds: 0 } }, 'limits.failures.lockSeconds is 0.'],
    [
      { failures: { lockSeconds: 60, maxLockSeconds: 59 } },
      'maxLockSeconds is 59. Give a whole number from 60',
    ],
    [
      { failures: { stopAt: 101 } },
      'limits.failures.stopAt is 101. Give a whole number from 10 to 100.',
    ],
    [
      { failures: { lockFrom: 20, stopAt: 19 } },
      'stopAt is 19. Give a whole number from 20 to 100.',
    ],
    [{ live: 3 }, 'Option limits.live is 3. Give an object or false.'],
    [{ live: { max: 11 } }, 'limits.live.max is 11. Give a whole number from 1 to 10.'],
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
      { sendsPerStarter: [{ max: 1, perSeconds: 1, per: 'ip' }] },
      'There is no member of limits.sendsPerStarter[0]: per.',
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
    [{ starter: 'ip' }, 'Option limits.starter is "ip". Give a function.'],
    [{ canonicalToken: null }, 'Option limits.canonicalToken is null. Give a function.'],
    [{ guessing: { confirmations: 1 } }, 'limits.guessing.confirmations is 1.'],
    [{ guessing: { perSeconds: Infinity } }, 'limits.guessing.perSeconds is Infinity.'],
  ])('refuse %o', (limits, sentence) => {
    expect(() => resolveLimits(limits)).toThrow(TwoFactorConfigurationError);
    expect(() => resolveLimits(limits)).toThrow(sentence);
  });
});
