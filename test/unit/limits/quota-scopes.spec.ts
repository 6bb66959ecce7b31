// Which rows a wrong code and a pending confirmation are counted in, and which ones a scope names.
import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError, TwoFactorInputError } from '../../../lib/index.js';
import type { NamedQuota } from '../../../lib/limits/named-quota.js';
import type { QuotaScope, QuotaPlanner } from '../../../lib/limits/quota-planner.js';
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

describe('The failures of a wrong code', () => {
  it.each<[string, QuotaScope, number]>([
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
    expect(quotas(planner().failureQuotas(party, false))).toEqual(Array(rows).fill('failures'));
    expect(planner({}, 2).failureQuotas(party, false)).toHaveLength(2 * rows);
  });

  const unsentTo = (party: QuotaScope): QuotaScope => ({ ...party, token: null });

  it('are the ones that a request looks at and that a scope names', () => {
    const plan = planner();
    // A scope with a subject also names what purposes with `claimedSubject` count.
    const scopes: [QuotaScope[], Parameters<QuotaPlanner['failureKeys']>[0]][] = [
      [[STRANGER], { token: 'ANN@example.com' }],
      [[CLIENT_NAMED], { token: 'ann@example.com' }],
      [[BOUND, CLAIMED], { subject: 'ann', token: 'ann@example.com' }],
      [[unsentTo(BOUND), unsentTo(CLAIMED)], { subject: 'ann' }],
    ];
    for (const [parties, scope] of scopes) {
      const keys = parties.flatMap((party) => keysOf(plan.failureQuotas(party, false)));
      const asked = parties.flatMap((party) => keysOf(plan.requestQuotas(party, undefined)));
      expect(asked).toEqual(keys);
      expect(plan.failureKeys(scope)).toEqual(keys.toSorted());
      const ofToken = parties
        .flatMap((party) => plan.requestQuotas(party, by('192.0.2.7')))
        .filter(({ limit }) => limit === 'sends-per-token');
      const messages = scope.token === undefined ? [] : plan.messageKeys(scope);
      expect(messages).toEqual(keysOf(ofToken).toSorted());
    }
    expect(new Set(scopes.flatMap(([, scope]) => plan.failureKeys(scope))).size).toBe(5);
  });

  it('of responses to a method are apart for a subject that is only claimed, and a scope names both', () => {
    const plan = planner();
    const [own, claimed] = [BOUND, CLAIMED].map((party) => {
      const scope: QuotaScope = { ...party, token: null, method: 'totp' };
      return plan.failureQuotas(scope, false);
    }) as [NamedQuota[], NamedQuota[]];

    expect(shared(own, claimed)).toEqual([]);
    expect([...own, ...claimed].map(({ isOfMethod }) => isOfMethod)).toEqual([true, true]);
    expect(claimed.map(({ isOfClaimed }) => isOfClaimed)).toEqual([true]);
    const named = { subject: 'ann', method: 'totp' } as const;
    expect(plan.failureKeys(named)).toEqual(keysOf([...own, ...claimed]).toSorted());
    expect(plan.messageKeys(named)).toEqual([]);
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
      'Give a token that clients name, { token }, or a subject with the token of its codes, { subject, token }, or with ' +
        "the method of its responses, { subject, method: 'totp' }.",
    );
  });
});

describe('The slots of a confirmation without a message', () => {
  it('are three of a purpose and a subject, whatever its token is', () => {
    const plan = planner();
    const keys = (party: QuotaScope): string[] => keysOf(plan.slots(party, 600_000).flat());

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
    const slots = (party: QuotaScope): NamedQuota[] => planner().slots(party, 600_000).flat();

    expect(
      shared(slots({ ...CLIENT_NAMED, token: null }), slots({ ...STRANGER, token: 'ann' })),
    ).toEqual([]);
  });

  it('are none without a subject and a phone number or address', () => {
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

    expect(() => plan.failureQuotas(STRANGER, false)).toThrow(TwoFactorConfigurationError);
    expect(() => plan.failureQuotas(STRANGER, false)).toThrow(
      `The option limits.normalizeToken ${sentence}`,
    );
    expect(() => plan.failureQuotas(STRANGER, false)).not.toThrow('ann@example.com');
  });
});
