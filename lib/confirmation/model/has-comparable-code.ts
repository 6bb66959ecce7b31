import type { KeyRing } from '../../crypto/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/**
 * Whether a code of this row can be compared: it has one, and its key is still in the ring. Without one no guess can be right, so that an
 * attempt charges no failure: after a rotation people with old codes would otherwise be locked.
 */
export function hasComparableCode(
  { codeMac }: Pick<ConfirmationRow, 'codeMac'>,
  keyRing: KeyRing,
): boolean {
  return codeMac !== null && keyRing.keyOf(codeMac) !== undefined;
}
