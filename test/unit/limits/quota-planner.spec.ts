import { describe, expect, it } from 'vitest';

import { KeyRing } from '../../../lib/crypto/index.js';
import { TwoFactorConfigurationError, TwoFactorInputError } from '../../../lib/index.js';
import {
  QuotaPlanner,
  type Budget,
  type LimitedMessage,
  type LimitedParty,
} from '../../../lib/limits/quota-planner.js';
import { resolveLimits } from '../../../lib/options/limits.js';

const SECRETS = ['kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0Ae', 'Zq8rT2vN6xB1mK5jH9gF3dS7aP0oL4iU'];
const SURROUNDINGS = { longestTtlSeconds: 600, hasBoundPurpose: true };

function planner(limits: unknown = {}, secrets = 1): QuotaPlanner {
  return new QuotaPlanner({
    limits: resolveLimits(limits, SURROUNDINGS),
    keyRing: KeyRing.fromSecrets(SECRETS.slice(0, secrets).map((secret) => Buffer.from(secret))),
  });
}

const STRANGER: LimitedParty = {
  token: 'ann@example.com',
  tokenFrom: 'application',
  subject: '',
  purpose: 'login',
  hasSlot: false,
};
const BOUND: LimitedParty = { ...STRANGER, subject: 'ann' };
const CLIENT_NAMED: LimitedParty = { ...BOUND, tokenFrom: 'client' };

const by = (requester?: string): LimitedMessage => ({ way: 'default', requester });

/** The quotas as `name max/seconds`, a lock that is only looked at as `failures?`. */
function quotas(budgets: readonly Budget[]): string[] {
  return budgets.map(({ limit, rule, checkOnly }) =>
    rule.kind === 'failures'
      ? `${limit}${checkOnly ? '?' : ''}`
      : `${limit} ${rule.max}/${rule.windowMs / 1_000}`,
  );
}

const keysOf = (budgets: readonly Budget[]): string[] => budgets.map(({ key }) => key);

/** Names of the quotas that two requests share. */
function shared(one: readonly Budget[], other: readonly Budget[]): string[] {
  const keys = new Set(keysOf(other));
  return quotas(one.filter(({ key }) => keys.has(key)));
}

const OPEN_TOKEN = ['failures?', 'sends-per-token 5/600', 'sends-per-token 10/86400'];
const BOUND_TOKEN = ['failures?', 'sends-per-token 5/600', 'sends-per-token 20/86400'];
const OPEN_TOTAL = 'sends-in-total 500/3600';

describe('The quotas of a message', () => {
  it.each<[string, LimitedParty, string | undefined, string[]]>([
    [
      'a stranger with an IPv4 address',
      STRANGER,
      '192.0.2.7',
      [...OPEN_TOKEN, 'sends-per-requester 10/3600', 'sends-per-network 60/3600', OPEN_TOTAL],
    ],
    [
      'a stranger with an IPv6 address',
      STRANGER,
      '2001:db8:1:2::1',
      [
        ...OPEN_TOKEN,
        'sends-per-requester 10/3600',
        'sends-per-network 60/3600',
        'sends-per-network 30/3600',
        OPEN_TOTAL,
      ],
    ],
    [
      'an unknown stranger',
      STRANGER,
      undefined,
      [...OPEN_TOKEN, 'sends-per-network 60/3600', OPEN_TOTAL],
    ],
    [
      'a stranger with another name',
      STRANGER,
      'session-4711',
      [...OPEN_TOKEN, 'sends-per-requester 10/3600', OPEN_TOTAL],
    ],
    [
      'a subject who names a token, from an IPv4 address',
      CLIENT_NAMED,
      '192.0.2.7',
      [...OPEN_TOKEN, 'sends-per-requester 10/3600', 'sends-per-network 60/3600', OPEN_TOTAL],
    ],
    [
      'a subject who names a token, from an IPv6 address',
      CLIENT_NAMED,
      '2001:db8:1:2::1',
      [...OPEN_TOKEN, 'sends-per-requester 10/3600', 'sends-per-network 60/3600', OPEN_TOTAL],
    ],
    [
      'a subject who names a token, from an unknown address',
      CLIENT_NAMED,
      undefined,
      [...OPEN_TOKEN, 'sends-per-requester 10/3600', OPEN_TOTAL],
    ],
    ['a bound subject', BOUND, '192.0.2.7', [...BOUND_TOKEN, 'sends-in-total 5000/3600']],
    [
      'a bound subject, unknown from where',
      BOUND,
      undefined,
      [...BOUND_TOKEN, 'sends-in-total 5000/3600'],
    ],
    [
      'a bound subject whose token is not known yet',
      { ...BOUND, token: null },
      undefined,
      ['failures?', 'sends-in-total 5000/3600'],
    ],
    [
      'a stranger whose token is not known yet',
      { ...STRANGER, token: null },
      '192.0.2.7',
      ['sends-per-requester 10/3600', 'sends-per-network 60/3600', OPEN_TOTAL],
    ],
  ])(
    'of %s are these rows, and twice as many when there are two secrets',
    (_, party, requester, expected) => {
      const one = planner().request(party, by(requester));
      const two = planner({}, 2).request(party, by(requester));

      expect(quotas(one)).toEqual(expected);
      expect(new Set(keysOf(one)).size).toBe(expected.length);
      expect(quotas(two)).toEqual(expected.flatMap((quota) => [quota, quota]));
      expect(new Set(keysOf(two)).size).toBe(2 * expected.length);
      expect(keysOf(two)).toEqual(expect.arrayContaining(keysOf(one)));
      expect(new Set(one.map(({ limitClass }) => limitClass))).toEqual(
        new Set([
          party === BOUND || (party.subject !== '' && party.token === null) ? 'bound' : 'open',
        ]),
      );
    },
  );

  it('share no row when one is of strangers and the other of a subject, also with a sender of its own', () => {
    const plan = planner({ sendsPerSender: [{ max: 5, perSeconds: 60 }] });
    const ofSubject = plan.request(BOUND, by('192.0.2.7'));

    expect(quotas(ofSubject)).toContain('sends-per-sender 5/60');
    for (const party of [STRANGER, CLIENT_NAMED, { ...STRANGER, subject: '' }]) {
      for (const requester of [undefined, '192.0.2.7', '2001:db8::1', 'ann', 'bound']) {
        expect(shared(plan.request(party, by(requester)), ofSubject)).toEqual([]);
      }
    }
    const slots = (party: LimitedParty): Budget[] => plan.slots(party, 600_000).flat();
    expect(shared(slots(STRANGER), slots(BOUND))).toEqual([]);
    expect(shared(slots({ ...BOUND, token: null }), slots({ ...STRANGER, token: 'ann' }))).toEqual(
      [],
    );
  });

  it('share the rows of a token when two strangers name it in two spellings', () => {
    const plan = planner();
    const one = plan.request(STRANGER, by('192.0.2.7'));
    const other = plan.request({ ...STRANGER, token: 'Ann@EXAMPLE.com.' }, by('198.51.100.7'));

    expect(shared(one, other)).toEqual([...OPEN_TOKEN, OPEN_TOTAL]);
  });

  it('share the rows of a token when a stranger and a subject name it', () => {
    const plan = planner();

    expect(
      shared(plan.request(STRANGER, by('192.0.2.7')), plan.request(CLIENT_NAMED, by('192.0.2.7'))),
    ).toEqual([...OPEN_TOKEN, 'sends-per-network 60/3600', OPEN_TOTAL]);
  });

  it('share only the total of their class when subject or token differ', () => {
    const plan = planner();
    const mine = plan.request(BOUND, by());
    const others: LimitedParty[] = [
      { ...BOUND, subject: 'bob' },
      { ...BOUND, token: 'bob@example.com' },
      { ...BOUND, token: null },
      // The parts of a key must not run into each other.
      { ...BOUND, subject: 'annann@example.com', token: null },
    ];

    for (const other of others) {
      expect(shared(mine, plan.request(other, by()))).toEqual(['sends-in-total 5000/3600']);
    }
  });

  it.each<[string, string, string[]]>([
    ['one address', '::ffff:192.0.2.7', ['requester 10', 'network 60']],
    ['one IPv4 /24', '192.0.2.8', ['network 60']],
    ['no network', '192.0.3.7', []],
  ])('share the rows of %s when the requesters are 192.0.2.7 and %s', (_, requester, expected) => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const both = shared(
      plan.request(STRANGER, by('192.0.2.7')),
      plan.request(STRANGER, by(requester)),
    );

    expect(both).toEqual(expected.map((quota) => `sends-per-${quota}/3600`));
  });

  it.each<[string, string, string[]]>([
    ['one IPv6 /64', '2001:DB8:1:2:ffff::9', ['requester 10', 'network 60', 'network 30']],
    ['one IPv6 /56', '2001:db8:1:ff::1', ['network 60', 'network 30']],
    ['one IPv6 /48', '2001:db8:1:100::1', ['network 60']],
    ['no network', '2001:db8:2::1', []],
  ])(
    'share the rows of %s when the requesters are 2001:db8:1:2::1 and %s',
    (_, requester, expected) => {
      const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
      const both = shared(
        plan.request(STRANGER, by('2001:db8:1:2::1')),
        plan.request(STRANGER, by(requester)),
      );

      expect(both).toEqual(expected.map((quota) => `sends-per-${quota}/3600`));
    },
  );

  it('share one row of all unknown requesters, which no named one can fill', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const unknown = plan.request(STRANGER, by());

    expect(shared(unknown, plan.request({ ...STRANGER, token: 'bob@example.com' }, by()))).toEqual([
      'sends-per-network 60/3600',
    ]);
    for (const requester of ['unknown', '0.0.0.0', '::', 'subject', 'name']) {
      expect(shared(unknown, plan.request(STRANGER, by(requester)))).toEqual([]);
    }
  });

  it.each<[string, unknown, string[]]>([
    ['networks of IPv6 alone', [{ ipv6: 48, max: 7, perSeconds: 60 }], ['sends-per-network 7/60']],
    [
      'several rules for the widest network',
      [
        { ipv4: 16, max: 7, perSeconds: 60 },
        { ipv4: 24, max: 5, perSeconds: 60 },
        { ipv4: 16, max: 9, perSeconds: 3_600 },
      ],
      ['sends-per-network 7/60', 'sends-per-network 9/3600'],
    ],
    ['no networks', false, ['sends-per-requester 10/3600']],
  ])('count unknown requesters when there are %s', (_, sendsPerNetwork, expected) => {
    const plan = planner({
      sendsPerNetwork,
      sendsPerToken: false,
      sendsInTotal: false,
      failures: false,
    });

    expect(quotas(plan.request(STRANGER, by()))).toEqual(expected);
  });

  it('keep apart a subject, an address and another name that are spelt the same', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const asSubject = plan.request({ ...CLIENT_NAMED, subject: 'ann' }, by());

    expect(shared(plan.request(STRANGER, by('ann')), asSubject)).toEqual([]);
    expect(
      shared(
        plan.request(STRANGER, by('192.0.2.7')),
        plan.request(STRANGER, by('ipv4/32/c0000207')),
      ),
    ).toEqual([]);
  });

  it('do not cost a subject who names tokens another message when it comes from another network', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const from = (requester: string): Budget[] => plan.request(CLIENT_NAMED, by(requester));

    expect(shared(from('192.0.2.7'), from('198.51.100.7'))).toEqual([
      'sends-per-requester 10/3600',
    ]);
  });

  it('are only the lock when nothing is sent, and nothing when all limits are off', () => {
    expect(quotas(planner().request(STRANGER, undefined))).toEqual(['failures?']);
    expect(planner(false).request(STRANGER, by('192.0.2.7'))).toEqual([]);
    expect(planner(false).slots(STRANGER, 600_000)).toEqual([]);
  });
});

describe('The failures of a wrong code', () => {
  it.each<[string, LimitedParty, number]>([
    ['a token that a client named', STRANGER, 1],
    ['a token that a client named for a subject', CLIENT_NAMED, 1],
    ['a subject and its token', BOUND, 1],
    ['a subject whose codes the application delivers', { ...BOUND, token: null }, 1],
    ['neither token nor subject', { ...STRANGER, token: null }, 0],
    [
      'a subject and a token that its client has not named yet',
      { ...CLIENT_NAMED, token: null },
      0,
    ],
  ])('are of %s in as many rows as there are secrets', (_, party, rows) => {
    expect(quotas(planner().failures(party, false))).toEqual(Array(rows).fill('failures'));
    expect(planner({}, 2).failures(party, false)).toHaveLength(2 * rows);
  });

  it('are the ones that a request looks at and that a scope names', () => {
    const plan = planner();
    const scopes: [LimitedParty, Parameters<QuotaPlanner['failureKeys']>[0]][] = [
      [STRANGER, { token: 'ANN@example.com' }],
      [CLIENT_NAMED, { token: 'ann@example.com' }],
      [BOUND, { subject: 'ann', token: 'ann@example.com' }],
      [{ ...BOUND, token: null }, { subject: 'ann' }],
    ];
    for (const [party, scope] of scopes) {
      const keys = keysOf(plan.failures(party, false));
      expect(keysOf(plan.request(party, undefined))).toEqual(keys);
      expect(plan.failureKeys(scope)).toEqual(keys);
      const ofToken = plan
        .request(party, by('192.0.2.7'))
        .filter(({ limit }) => limit === 'sends-per-token');
      if (party.token !== null) expect(plan.messageKeys(scope)).toEqual(keysOf(ofToken).toSorted());
    }
    expect(new Set(scopes.flatMap(([, scope]) => plan.failureKeys(scope))).size).toBe(3);
  });

  it.each([
    undefined,
    null,
    'ann',
    {},
    { token: '' },
    { subject: '' },
    { token: 5 },
    { token: null, subject: 'ann' },
    { subject: 'ann', token: '' },
    { subject: 5, token: 'ann@example.com' },
  ])('refuse %j as a scope', (scope) => {
    expect(() => planner().failureKeys(scope as never)).toThrow(TwoFactorInputError);
    expect(() => planner().messageKeys(scope as never)).toThrow(
      'Give a token that clients name, { token }, or a subject with the token of its codes, { subject, token }.',
    );
  });
});

describe('The slots of a confirmation without a message', () => {
  it('are three of a purpose and a subject, whatever its token is', () => {
    const plan = planner();
    const keys = (party: LimitedParty): string[] => keysOf(plan.slots(party, 600_000).flat());

    expect(plan.slots(BOUND, 600_000)).toHaveLength(3);
    expect(keys({ ...BOUND, token: null })).toEqual(keys(BOUND));
    expect(keys({ ...BOUND, token: 'bob@example.com' })).toEqual(keys(BOUND));
    expect(keys({ ...BOUND, purpose: 'pay' })).not.toEqual(keys(BOUND));
    // The same of a subject whose client names the token, and apart from what the application names.
    expect(keys({ ...CLIENT_NAMED, token: null })).toEqual(keys(CLIENT_NAMED));
    expect(keys(CLIENT_NAMED)).not.toEqual(keys(BOUND));
    expect(keys(CLIENT_NAMED)).not.toEqual(keys(STRANGER));
  });

  it('are apart when a stranger names a token that is spelt as a subject', () => {
    const slots = (party: LimitedParty): Budget[] => planner().slots(party, 600_000).flat();

    expect(
      shared(slots({ ...CLIENT_NAMED, token: null }), slots({ ...STRANGER, token: 'ann' })),
    ).toEqual([]);
  });

  it('are none without a subject and a token', () => {
    expect(planner().slots({ ...STRANGER, token: null }, 600_000)).toEqual([]);
  });

  it('last as long as the code, for one confirmation each', () => {
    const [slot] = planner({}, 2).slots(STRANGER, 45_000);

    expect(slot).toHaveLength(2);
    expect(slot?.map(({ rule }) => rule)).toEqual(
      Array(2).fill({ kind: 'window', max: 1, windowMs: 45_000 }),
    );
  });
});

describe('The option normalizeToken', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('ann@example.com is bad');
      },
      'threw. Let it return a string for every token.',
    ],
    [
      'returns nothing',
      () => '',
      'returned an empty string. Let it return a string that is not empty, and no promise.',
    ],
    [
      'returns a promise',
      async () => 'ann',
      'returned a object. Let it return a string that is not empty',
    ],
  ])('is refused without the token when it %s', (_, normalizeToken, sentence) => {
    const plan = planner({ normalizeToken });

    expect(() => plan.failures(STRANGER, false)).toThrow(TwoFactorConfigurationError);
    expect(() => plan.failures(STRANGER, false)).toThrow(
      `The option limits.normalizeToken ${sentence}`,
    );
    expect(() => plan.failures(STRANGER, false)).not.toThrow('ann@example.com');
  });
});
