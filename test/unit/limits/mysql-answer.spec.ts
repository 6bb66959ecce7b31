import { describe, expect, it } from 'vitest';

import { joinedAnswer } from '../../../lib/confirmation/store/dialects/joined-update-statements.js';
import {
  consumeAnswer,
  PERMANENT_WAIT_MS,
  RANKS,
} from '../../../lib/limits/store/dialects/mysql-answer.js';
import type { QuotaRequest } from '../../../lib/limits/store/limit-store.interface.js';

const NOW = 1_800_000_000_000;
const UNIT_SPAN = 2 ** 19;

const window = (key: string): QuotaRequest => ({
  key,
  rule: { kind: 'window', max: 5, windowMs: 600_000 },
  checkOnly: false,
});
const failures: QuotaRequest = {
  key: 'failures',
  rule: { kind: 'failures', max: 100, lockAfter: 10, lockMs: 30_000, maxLockMs: 900_000 },
  checkOnly: true,
};
const charges = [failures, window('one'), window('two')];
const order = { precedence: ['one', 'failures', 'two'], unitMs: 300_000 };

/** Builds the number as the statement does. */
function answerOf(waitMs: number, rank: number, found: number): number {
  const units = Math.ceil(waitMs / order.unitMs);
  const rest = units * order.unitMs - waitMs;
  return ((units * RANKS + rank) * UNIT_SPAN + rest) * RANKS + found + 1;
}

describe('The insertId by which MySQL answers a charge of quotas', () => {
  it('means that all quotas were charged when none was exhausted, however many rows existed', () => {
    for (const found of [0, 1, 3]) {
      expect(consumeAnswer(found + 1, charges, NOW, order)).toEqual({ outcome: 'charged' });
    }
  });

  it('leaves the outcome unknown when a trigger has reset it to 0', () => {
    expect(consumeAnswer(0, charges, NOW, order)).toEqual({ outcome: 'unknown' });
  });

  it.each([
    ['one', RANKS - 1, 1, 5],
    ['two', RANKS - 3, 599_999, 5],
    ['failures', RANKS - 2, 29_000, 0],
    ['failures', RANKS - 2, PERMANENT_WAIT_MS, 100],
  ])(
    'names the quota %s by its rank, and its wait to the millisecond',
    (key, rank, wait, amount) => {
      const insertId = answerOf(wait, rank, charges.length);
      expect(Number.isSafeInteger(insertId)).toBe(true);

      expect(consumeAnswer(insertId, charges, NOW, order)).toEqual({
        outcome: 'refused',
        exhausted: { key, amount, endsAt: NOW + wait },
        isRowAdded: false,
      });
    },
  );

  it('means that rows were added when the statement found fewer rows than there are quotas', () => {
    const insertId = answerOf(1_000, RANKS - 1, 2);

    expect(consumeAnswer(insertId, charges, NOW, order)).toMatchObject({ isRowAdded: true });
  });

  it('names no exhausted quota when the caller gives no order, so that a read has to find it', () => {
    const insertId = answerOf(1_000, 0, 3);

    expect(consumeAnswer(insertId, charges, NOW)).toMatchObject({ exhausted: null });
  });
});

describe('The insertId by which MySQL answers the UPDATE that compares a code', () => {
  it('contains the outcome, the attempts and the failures', () => {
    expect(joinedAnswer(0)).toEqual({ outcome: 'none' });
    expect(joinedAnswer(1)).toEqual({ outcome: 'changed' });
    expect(joinedAnswer(3 + PERMANENT_WAIT_MS * 8)).toEqual({
      outcome: 'locked',
      waitMs: PERMANENT_WAIT_MS,
    });
    expect(joinedAnswer(5 + 4 * 8 + 99 * 2048)).toEqual({
      outcome: 'compared',
      isRight: false,
      attempts: 4,
      failures: 99,
    });
    expect(joinedAnswer(7 + 1 * 8)).toMatchObject({ isRight: true, attempts: 1, failures: 0 });
  });
});
