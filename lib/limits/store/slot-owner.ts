import { createHash } from 'node:crypto';

const OWNER_LENGTH = 16;

/** The owner of quotas that belong to no confirmation in particular. */
export const NO_OWNER = '0'.repeat(OWNER_LENGTH);

/**
 * The name under which a confirmation holds its pending slot. It is a hash, because a reader of the quota table must not
 * learn a confirmation id; ids are too random to be guessed from it.
 */
export function ownerHashOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, OWNER_LENGTH);
}
