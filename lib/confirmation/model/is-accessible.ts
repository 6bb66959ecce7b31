import type { PurposeAccess } from '../../options/index.js';

/**
 * Whether a caller may access a confirmation, by the same rule as the clause `isAccessible` of the statements. To other
 * callers the confirmation does not exist.
 *
 * @param scopedSubject the subject of the caller; empty for a caller without one, `null` for an application.
 */
export function isAccessible(
  { purpose, subject }: { readonly purpose: string; readonly subject: string },
  scopedSubject: string | null,
  { anyone, subjectOnly }: PurposeAccess,
): boolean {
  if (scopedSubject === null || anyone.includes(purpose)) return true;
  return subject !== '' && subject === scopedSubject && subjectOnly.includes(purpose);
}
