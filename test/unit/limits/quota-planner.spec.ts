// Which rows a message is counted in.
import { describe, expect, it } from 'vitest';

import type { NamedQuota } from '../../../lib/limits/named-quota.js';
import type { QuotaScope } from '../../../lib/limits/quota-planner.js';
import {
  BOUND,
  by,
  CLAIMED,
  CLIENT_NAMED,
  keysOf,
  planner,
  quotas,
  shared,
  STRANGER,
} from './quotas.js';

const OPEN_TOKEN = ['failures?', 'sends-per-token 5/600', 'sends-per-token 10/86400'];
const BOUND_TOKEN = ['failures?', 'sends-per-token 5/600', 'sends-per-token 20/86400'];
const OPEN_TOTAL = 'sends-in-total 500/3600';

describe('The quotas of a message', () => {
  it.each<[string, QuotaScope, string | undefined, string[]]>([
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
      const one = planner().requestQuotas(party, by(requester));
      const two = planner({}, 2).requestQuotas(party, by(requester));

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

  it('of a claimed subject are those of the requester, and quotas of the person that have the numbers of a bound subject but other rows', () => {
    const plan = planner({ sendsPerSender: [{ max: 5, perSeconds: 60 }] });
    const from = by('192.0.2.7');
    const claimed = plan.requestQuotas(CLAIMED, from);

    expect(quotas(claimed).slice(0, BOUND_TOKEN.length)).toEqual(BOUND_TOKEN);
    expect(shared(claimed, plan.requestQuotas(BOUND, from))).toEqual([]);
    const spelledOtherwise = plan.requestQuotas({ ...CLAIMED, subject: 'ANN' }, from);
    expect(keysOf(spelledOtherwise)).toEqual(keysOf(claimed));
    const rest = quotas(claimed).slice(BOUND_TOKEN.length);
    expect(rest).toEqual([
      'sends-per-requester 10/3600',
      'sends-per-network 60/3600',
      'sends-per-sender 5/60',
      OPEN_TOTAL,
    ]);
    // Another name is no other requester.
    const another = plan.requestQuotas(
      { ...CLAIMED, subject: 'bob', token: 'bob@example.com' },
      from,
    );
    expect(shared(claimed, another)).toEqual(rest);
    expect(
      shared(claimed, plan.requestQuotas({ ...STRANGER, token: 'c@example.com' }, from)),
    ).toEqual(rest);
    expect(plan.prefixedMessage(CLAIMED, 'default')).toMatchObject({ limitClass: 'open' });
    expect(plan.prefixedMessage(BOUND, 'default')).toMatchObject({ limitClass: 'bound' });
  });

  it('are those of the requester alone when a request for a claimed subject sends nothing', () => {
    const plan = planner();
    const unsent = { requester: '192.0.2.7', isNarrowed: false };
    const [, own] = plan.requestQuotas(BOUND, undefined, unsent);
    const [, claimed] = plan.requestQuotas(CLAIMED, undefined, unsent);
    const [, another] = plan.requestQuotas({ ...CLAIMED, subject: 'bob' }, undefined, unsent);
    const narrowing = { ...unsent, isNarrowed: true };
    const [narrowed] = plan.requestQuotas(CLAIMED, undefined, narrowing);
    const [ofBound] = plan.requestQuotas(BOUND, undefined, narrowing);

    expect(quotas([claimed!])).toEqual(['requests-per-requester 60/3600']);
    expect(another!.key).toBe(claimed!.key);
    expect(narrowed!.key).toBe(claimed!.key);
    // What signed-in users need at the same address is counted apart.
    expect([own!.key, ofBound!.key]).not.toContain(claimed!.key);
  });

  it.each<[string, string, string]>([
    ['2001:db8:0:1::1', '2001:db8:0:2::1', '2001:db9::1'],
    ['192.0.2.7', '192.0.2.8', '198.51.100.7'],
  ])(
    'of requests that send nothing count the network of %s too',
    (address, neighbour, stranger) => {
      const plan = planner();
      const from = (party: QuotaScope, requester: string, isNarrowed = false): NamedQuota[] =>
        plan
          .requestQuotas(party, undefined, { requester, isNarrowed })
          .filter(({ limit }) => limit === 'requests-per-requester');
      const network = ['requests-per-requester 600/3600'];

      for (const party of [BOUND, CLAIMED]) {
        for (const isNarrowed of [false, true]) {
          const own = from(party, address, isNarrowed);
          expect(quotas(own)).toEqual(['requests-per-requester 60/3600', ...network]);
          expect(shared(own, from(party, neighbour, isNarrowed))).toEqual(network);
          expect(shared(own, from(party, stranger, isNarrowed))).toEqual([]);
        }
      }
      // Strangers who claim names use up nothing that signed-in users of the same network need.
      expect(shared(from(BOUND, address), from(CLAIMED, address))).toEqual([]);
      expect(quotas(from(BOUND, 'a session'))).toEqual(['requests-per-requester 60/3600']);
    },
  );

  it('share no row when one is of strangers and the other of a subject, also with a sender of its own', () => {
    const plan = planner({ sendsPerSender: [{ max: 5, perSeconds: 60 }] });
    const ofSubject = plan.requestQuotas(BOUND, by('192.0.2.7'));

    expect(quotas(ofSubject)).toContain('sends-per-sender 5/60');
    for (const party of [STRANGER, CLIENT_NAMED, { ...STRANGER, subject: '' }]) {
      for (const requester of [undefined, '192.0.2.7', '2001:db8::1', 'ann', 'bound']) {
        expect(shared(plan.requestQuotas(party, by(requester)), ofSubject)).toEqual([]);
      }
    }
    const slots = (party: QuotaScope): NamedQuota[] => plan.slots(party, 600_000).flat();
    expect(shared(slots(STRANGER), slots(BOUND))).toEqual([]);
    expect(shared(slots({ ...BOUND, token: null }), slots({ ...STRANGER, token: 'ann' }))).toEqual(
      [],
    );
  });

  it('share the rows of a token when two strangers name it in two spellings', () => {
    const plan = planner();
    const one = plan.requestQuotas(STRANGER, by('192.0.2.7'));
    const other = plan.requestQuotas(
      { ...STRANGER, token: 'Ann@EXAMPLE.com.' },
      by('198.51.100.7'),
    );

    expect(shared(one, other)).toEqual([...OPEN_TOKEN, OPEN_TOTAL]);
  });

  it('share the rows of a token when a stranger and a subject name it', () => {
    const plan = planner();

    expect(
      shared(
        plan.requestQuotas(STRANGER, by('192.0.2.7')),
        plan.requestQuotas(CLIENT_NAMED, by('192.0.2.7')),
      ),
    ).toEqual([...OPEN_TOKEN, 'sends-per-network 60/3600', OPEN_TOTAL]);
  });

  it('share only the total of their class when subject or token differ', () => {
    const plan = planner();
    const mine = plan.requestQuotas(BOUND, by());
    const others: QuotaScope[] = [
      { ...BOUND, subject: 'bob' },
      { ...BOUND, token: 'bob@example.com' },
      { ...BOUND, token: null },
      // The parts of a key must not run into each other.
      { ...BOUND, subject: 'annann@example.com', token: null },
    ];

    for (const other of others) {
      expect(shared(mine, plan.requestQuotas(other, by()))).toEqual(['sends-in-total 5000/3600']);
    }
  });

  it.each<[string, string, string[]]>([
    ['one address', '::ffff:192.0.2.7', ['requester 10', 'network 60']],
    ['one IPv4 /24', '192.0.2.8', ['network 60']],
    ['no network', '192.0.3.7', []],
  ])('share the rows of %s when the requesters are 192.0.2.7 and %s', (_, requester, expected) => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const both = shared(
      plan.requestQuotas(STRANGER, by('192.0.2.7')),
      plan.requestQuotas(STRANGER, by(requester)),
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
        plan.requestQuotas(STRANGER, by('2001:db8:1:2::1')),
        plan.requestQuotas(STRANGER, by(requester)),
      );

      expect(both).toEqual(expected.map((quota) => `sends-per-${quota}/3600`));
    },
  );

  it('share one row of all unknown requesters, which no named one can fill', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const unknown = plan.requestQuotas(STRANGER, by());

    expect(
      shared(unknown, plan.requestQuotas({ ...STRANGER, token: 'bob@example.com' }, by())),
    ).toEqual(['sends-per-network 60/3600']);
    for (const requester of ['unknown', '0.0.0.0', '::', 'subject', 'name']) {
      expect(shared(unknown, plan.requestQuotas(STRANGER, by(requester)))).toEqual([]);
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

    expect(quotas(plan.requestQuotas(STRANGER, by()))).toEqual(expected);
  });

  it('keep apart a subject, an address and another name that are spelt the same', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const asSubject = plan.requestQuotas({ ...CLIENT_NAMED, subject: 'ann' }, by());

    expect(shared(plan.requestQuotas(STRANGER, by('ann')), asSubject)).toEqual([]);
    expect(
      shared(
        plan.requestQuotas(STRANGER, by('192.0.2.7')),
        plan.requestQuotas(STRANGER, by('ipv4/32/c0000207')),
      ),
    ).toEqual([]);
  });

  it('do not cost a subject who names tokens another message when it comes from another network', () => {
    const plan = planner({ sendsPerToken: false, sendsInTotal: false, failures: false });
    const from = (requester: string): NamedQuota[] =>
      plan.requestQuotas(CLIENT_NAMED, by(requester));

    expect(shared(from('192.0.2.7'), from('198.51.100.7'))).toEqual([
      'sends-per-requester 10/3600',
    ]);
  });

  it('are only the lock when nothing is sent, and nothing when all limits are off', () => {
    expect(quotas(planner().requestQuotas(STRANGER, undefined))).toEqual(['failures?']);
    expect(planner(false).requestQuotas(STRANGER, by('192.0.2.7'))).toEqual([]);
    expect(planner(false).slots(STRANGER, 600_000)).toEqual([]);
  });
});
