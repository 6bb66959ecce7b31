import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { NamedQuota } from '../../../lib/limits/named-quota.js';
import { longestWait, refusalOrder } from '../../../lib/limits/quota-refusal.js';
import { consumeAnswer, RANKS } from '../../../lib/limits/store/dialects/mysql-answer.js';
import type { QuotaUsage } from '../../../lib/limits/store/limit-store.interface.js';
import { BOUND, by, CLAIMED, planner, STRANGER } from './quotas.js';

const NOW = 1_780_000_000_000;
const UNIT_SPAN = 2 ** 19;

/** Windows that end after, within and before five minutes. */
const plan = planner({
  sendsPerToken: [
    { max: 5, perSeconds: 60 },
    { max: 9, perSeconds: 400 },
  ],
  sendsPerRequester: [{ max: 5, perSeconds: 120 }],
  requestsPerRequester: [
    { max: 5, perSeconds: 600 },
    { max: 9, perSeconds: 3_600 },
  ],
});
const unsent = { requester: '192.0.2.7', isNarrowed: false };
const calls: readonly [string, NamedQuota[]][] = [
  ['a stranger', plan.requestQuotas(STRANGER, by('192.0.2.7'))],
  ['a signed-in person', plan.requestQuotas(BOUND, by())],
  ['a claimed person', plan.requestQuotas(CLAIMED, by('192.0.2.7'))],
  ['a signed-in person, begun without a message', plan.requestQuotas(BOUND, undefined, unsent)],
  ['a claimed person, begun without a message', plan.requestQuotas(CLAIMED, undefined, unsent)],
];

/** What the statement of MySQL answers: the largest of the waits in units, and of equal ones the first in the order. */
function answerOfMysql(quotas: readonly NamedQuota[], waits: readonly (number | null)[]): number {
  const { precedence, unitMs } = refusalOrder(quotas);
  const span = unitMs === 1 ? 1 : UNIT_SPAN;
  const ranked = quotas.flatMap(({ key }, index) => {
    const wait = waits[index] ?? null;
    if (wait === null) return [];
    const units = Math.ceil(wait / unitMs);
    const rank = RANKS - 1 - precedence.indexOf(key);
    return [(units * RANKS + rank) * span + units * unitMs - wait];
  });
  return Math.max(...ranked) * RANKS + quotas.length + 1;
}

describe('The limit that a refusal names', () => {
  it.each(calls)(
    'is the same on every engine, and no other reports a longer wait, for a message of %s',
    (_, quotas) => {
      const waits = fc.tuple(
        ...quotas.map(({ rule }) =>
          fc.option(fc.integer({ min: 1, max: rule.kind === 'window' ? rule.windowMs : 900_000 })),
        ),
      );
      fc.assert(
        fc.property(waits, (chosen) => {
          fc.pre(chosen.some((wait) => wait !== null));
          const exhausted = quotas.flatMap(({ key, rule }, index): QuotaUsage[] => {
            const wait = chosen[index] ?? null;
            const amount = rule.kind === 'failures' ? 10 : rule.max;
            return wait === null ? [] : [{ key, amount, endsAt: NOW + wait }];
          });
          const named = longestWait(quotas, exhausted, NOW);
          const answer = consumeAnswer(
            answerOfMysql(quotas, chosen),
            quotas,
            NOW,
            refusalOrder(quotas),
          );

          const found = answer.outcome === 'refused' ? answer.exhausted : null;
          expect(longestWait(quotas, [found!], NOW)).toEqual(named);
          const reported = exhausted.map((usage) => longestWait(quotas, [usage], NOW)!.waitMs!);
          expect(named!.waitMs).toBe(Math.max(...reported));
        }),
        { numRuns: 500 },
      );
    },
  );
});
