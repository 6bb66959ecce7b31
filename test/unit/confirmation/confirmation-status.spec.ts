import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  STATE_ERROR_CODES,
  statusOf,
  type ConfirmationRow,
  type ConfirmationStatus,
} from '../../../lib/confirmation/index.js';
import { NOW, rowWith } from './rows.js';

const confirmed = { confirmedAt: NOW - 10_000, useBefore: NOW + 1 };
const spent = { attempts: 5, maxAttempts: 5 };

const TABLE: readonly (readonly [string, ConfirmationStatus, Partial<ConfirmationRow>])[] = [
  ['is fresh', 'pending', {}],
  ['expires in a millisecond', 'pending', { expiresAt: NOW + 1 }],
  ['has one attempt left', 'pending', { attempts: 4 }],
  ['was sent', 'pending', { sends: 5, lastSentAt: NOW }],
  ['expires now', 'expired', { expiresAt: NOW }],
  ['expired a millisecond ago', 'expired', { expiresAt: NOW - 1 }],
  ['expired with all attempts spent', 'expired', { ...spent, expiresAt: NOW }],
  ['has no attempt left', 'locked', spent],
  ['has more attempts than it may', 'locked', { attempts: 6 }],
  ['is confirmed', 'confirmed', confirmed],
  ['is confirmed on its last attempt', 'confirmed', { ...confirmed, ...spent }],
  [
    'is confirmed, and its code has expired since',
    'confirmed',
    { ...confirmed, expiresAt: NOW - 1 },
  ],
  ['is confirmed, and its use ends now', 'expired', { ...confirmed, useBefore: NOW }],
  ['is confirmed, and its use has ended', 'expired', { ...confirmed, useBefore: NOW - 1 }],
  ['is confirmed without an end of its use', 'expired', { ...confirmed, useBefore: null }],
  ['was confirmed by what is gone', 'cancelled', { ...confirmed, isFactorGone: true }],
  [
    'was confirmed by what is gone, and its use has ended',
    'expired',
    { ...confirmed, useBefore: NOW, isFactorGone: true },
  ],
  [
    'is used, and was confirmed by what is gone',
    'used',
    { ...confirmed, usedAt: NOW, isFactorGone: true },
  ],
  ['is used', 'used', { ...confirmed, usedAt: NOW }],
  ['is used, long ago', 'used', { ...confirmed, useBefore: 0, expiresAt: 0, usedAt: 1 }],
  ['is cancelled', 'cancelled', { cancelledAt: NOW }],
  ['is cancelled after it was confirmed', 'cancelled', { ...confirmed, cancelledAt: NOW }],
  ['is cancelled and expired', 'cancelled', { cancelledAt: NOW, expiresAt: 0 }],
  ['is cancelled and locked', 'cancelled', { cancelledAt: NOW, ...spent }],
];

describe('the status', () => {
  it.each(TABLE)('of a confirmation that %s is %s', (_, status, values) => {
    expect(statusOf(rowWith(values), NOW)).toBe(status);
  });

  it('never goes back while only time passes', () => {
    const rank: Readonly<Record<ConfirmationStatus, number>> = {
      pending: 0,
      locked: 1,
      confirmed: 2,
      expired: 3,
      used: 4,
      cancelled: 4,
    };
    const time = fc.integer({ min: NOW - 1_000, max: NOW + 1_000 });
    const maybe = fc.option(time);
    fc.assert(
      fc.property(
        fc.record({
          expiresAt: time,
          confirmedAt: maybe,
          useBefore: maybe,
          usedAt: maybe,
          cancelledAt: maybe,
          attempts: fc.nat({ max: 5 }),
        }),
        time,
        time,
        (values, one, other) => {
          const row = rowWith(values);
          const before = statusOf(row, Math.min(one, other));
          const after = statusOf(row, Math.max(one, other));
          expect(rank[after]).toBeGreaterThanOrEqual(rank[before]);
          expect(after === before || after === 'expired').toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('has a reason for each that is not pending', () => {
    expect(STATE_ERROR_CODES).toEqual({
      confirmed: 'already-confirmed',
      used: 'already-used',
      expired: 'expired',
      locked: 'attempts-exhausted',
      cancelled: 'cancelled',
    });
  });
});
