import { detailsMac, detailsMacs, type KeyRing } from '../../crypto/index.js';
import type { StoredBinding } from './binding.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** Stands for absent details in their MAC; no JSON text is empty. */
const NO_DETAILS = '';

/**
 * The MAC of a new confirmation's details. Absent details are signed too, so that a proof under a removed secret is worth
 * nothing, whatever it is for.
 */
export function bindingMac(keyRing: KeyRing, id: string, details: string | null): string {
  return detailsMac(keyRing.current, id, details ?? NO_DETAILS);
}

/** One candidate for each key of the ring. */
export function bindingMacs(keyRing: KeyRing, id: string, { details }: StoredBinding): string[] {
  return detailsMacs(keyRing, id, details ?? NO_DETAILS);
}

/** Whether a confirmation was made for exactly this binding. */
export function matchesBinding(
  keyRing: KeyRing,
  row: ConfirmationRow,
  binding: StoredBinding,
): boolean {
  return (
    row.purpose === binding.purpose &&
    row.subject === binding.subject &&
    bindingMacs(keyRing, row.id, binding).includes(row.detailsMac)
  );
}
