import { shortId, type KeyRing } from '../../crypto/index.js';
import type { StoredBinding } from '../model/binding.js';
import { bindingMacs, matchesBinding } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { statusOf, type ConfirmationStatus } from '../model/confirmation-status.js';
import { isConfirmedThroughSender } from '../model/methods.js';
import { isAllowedSender } from '../model/ways.js';
import type { UseValues } from '../store/store-values.js';

/** What a proof must be for, which senders may have sent its code, and which methods may have confirmed it; `null` for any. */
export interface ParsedCheck extends Pick<
  UseValues,
  'confirmedBy' | 'ways' | 'methodsWithoutSender'
> {
  readonly binding: StoredBinding;
}

/** Why a proof was refused. */
export interface ProofRefusal {
  /** Whether the proof would have been accepted, but was used or reserved before. */
  readonly isUsed: boolean;
  /** A sentence for the debug log, without code, phone number or address, subject and details. */
  readonly reason: string;
}

const REASON_BY_STATUS: Readonly<Record<ConfirmationStatus, string>> = {
  pending: 'is not confirmed yet',
  confirmed: 'has become usable since',
  used: 'is used, or reserved by a call that runs',
  expired: 'is expired',
  locked: 'has no attempts left',
  cancelled: 'was cancelled',
};

/** Whether one of the methods that the check asks for confirmed the proof, by the same rules as the statements of `use`. */
export function hasAllowedMethod(
  row: Pick<ConfirmationRow, 'confirmedBy'>,
  { confirmedBy }: Pick<ParsedCheck, 'confirmedBy'>,
): boolean {
  return confirmedBy === null || confirmedBy.includes(row.confirmedBy ?? '');
}

/**
 * Whether an allowed sender sent its code, or a method without a sender confirmed it: the same rules as the statements of `use`.
 */
export function hasAllowedSender(
  row: Pick<ConfirmationRow, 'confirmedBy' | 'way'>,
  { ways, methodsWithoutSender }: Pick<ParsedCheck, 'ways' | 'methodsWithoutSender'>,
): boolean {
  if (ways === null || methodsWithoutSender.includes(row.confirmedBy ?? '')) return true;
  return isConfirmedThroughSender(row) && isAllowedSender(row.way, ways);
}

/** Whether the row, if it can be used, is a proof for this check. The rules are those of the statements of `use`. */
export function isProofFor(row: ConfirmationRow, check: ParsedCheck, keyRing: KeyRing): boolean {
  return (
    hasAllowedMethod(row, check) &&
    hasAllowedSender(row, check) &&
    matchesBinding(keyRing, row, check.binding)
  );
}

/**
 * Explains a refusal by the row that was read after it.
 *
 * @param now epoch milliseconds.
 */
export function explainRefusal(
  id: string,
  row: ConfirmationRow | null,
  check: ParsedCheck,
  keyRing: KeyRing,
  now: number,
): ProofRefusal {
  const { binding, ways, methodsWithoutSender, confirmedBy } = check;
  const because = (reason: string, isUsed = false): ProofRefusal => ({
    isUsed,
    reason: `The confirmation ${shortId(id)} ${reason}.`,
  });
  if (row === null) return because('does not exist');
  if (row.purpose !== binding.purpose) {
    return because(`is for the purpose "${row.purpose}", and not for "${binding.purpose}"`);
  }
  if (row.subject !== binding.subject) return because('is for another subject');
  if (keyRing.keyOf(row.detailsMac) === undefined) {
    return because('was made under a secret that is not in the ring');
  }
  if (!bindingMacs(keyRing, id, binding).includes(row.detailsMac)) {
    return because('is for other details');
  }
  if (row.confirmedBy !== null && !hasAllowedMethod(row, check)) {
    return because(
      `was confirmed by "${row.confirmedBy}", and only ${confirmedBy?.join(', ') || 'none'} counts here`,
    );
  }
  // While it is pending, a method that sends nothing may still confirm it, whatever sender its code has.
  const isOpen =
    row.confirmedBy === null && row.methods !== null && methodsWithoutSender.length > 0;
  if (!isOpen && !hasAllowedSender(row, check)) {
    const only = `only ${ways?.join(', ') || 'none'} counts here`;
    return because(
      isConfirmedThroughSender(row)
        ? `went out by "${row.way}", and ${only}`
        : `was confirmed by "${row.confirmedBy}" without a sender, and ${only}`,
    );
  }
  const status = statusOf(row, now);
  if (status === 'cancelled' && row.cancelledAt === null) {
    return because(`was confirmed by "${row.confirmedBy}", which was removed or replaced since`);
  }
  if (status === 'expired' && row.confirmedAt !== null) {
    return because('was confirmed, and not used in time (useWithinSeconds)');
  }
  return because(REASON_BY_STATUS[status], status === 'used');
}
