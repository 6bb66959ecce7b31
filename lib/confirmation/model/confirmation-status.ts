import type { TwoFactorStateCode } from '../../errors/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** Where a confirmation is in its life: `pending -> confirmed -> used`, or ended without proof. */
export type ConfirmationStatus =
  'pending' | 'confirmed' | 'used' | 'expired' | 'locked' | 'cancelled';

/**
 * How many failed calls a confirmed proof may have beyond the attempts that its code left unused. A handler that also asks for a password fails for each wrong one, so
 * an unlimited number would make one proof a key for guessing passwords.
 */
export const MAX_FAILED_CALLS = 5;

/** Derived from the columns, never stored. A proof whose factor was removed is cancelled with it. `now` is epoch milliseconds. */
export function statusOf(row: ConfirmationRow, now: number): ConfirmationStatus {
  if (row.cancelledAt !== null) return 'cancelled';
  if (row.usedAt !== null) return 'used';
  if (row.confirmedAt !== null) {
    // First: a purge deletes used codes and expired devices once no proof of theirs is left, which is no removal by the person.
    if ((row.useBefore ?? 0) <= now) return 'expired';
    if (row.isFactorGone === true) return 'cancelled';
    return row.attempts >= row.maxAttempts + MAX_FAILED_CALLS ? 'locked' : 'confirmed';
  }
  if (row.expiresAt <= now) return 'expired';
  return row.attempts >= row.maxAttempts ? 'locked' : 'pending';
}

/** Why a confirmation that is not pending can neither be sent nor confirmed. */
export const STATE_ERROR_CODES: Readonly<
  Record<Exclude<ConfirmationStatus, 'pending'>, TwoFactorStateCode>
> = {
  confirmed: 'already-confirmed',
  used: 'already-used',
  expired: 'expired',
  locked: 'attempts-exhausted',
  cancelled: 'cancelled',
};
