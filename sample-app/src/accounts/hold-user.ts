import type { EntityManager } from 'typeorm';

import { User } from './user.entity.js';

/**
 * Locks a user until the end of the transaction. A sign-in and a change of the password that run concurrently happen one after the
 * other by it: otherwise a password that was compared before the change would begin a sign-in after it, and two transactions that
 * lock the user and its other rows in two orders would deadlock.
 *
 * @returns whether the password is still the one that was read.
 */
export async function holdUser(
  { id, passwordHash }: Pick<User, 'id' | 'passwordHash'>,
  manager: EntityManager,
): Promise<boolean> {
  const { affected } = await manager.update(User, { id, passwordHash }, { passwordHash });
  return affected === 1;
}
