import type { ConfirmationProof } from 'nestjs-two-factor';
import type { EntityManager } from 'typeorm';

import { Refusal } from '../http/problem.js';
import { User } from './user.entity.js';

/**
 * Refuses a proof by a code that went to a phone number which the user has replaced: the former phone may be in other hands, and a code
 * that was asked for before the change can still be typed. Call it in the transaction that has locked the user.
 *
 * @throws Refusal 403
 */
export async function requireCurrentContact(
  { state: { confirmedBy, token } }: ConfirmationProof,
  { id }: Pick<User, 'id'>,
  manager: EntityManager,
): Promise<void> {
  if (confirmedBy !== 'code') return;
  const { email, phone } = await manager.findOneByOrFail(User, { id });
  if (token === email || token === phone) return;
  throw new Refusal(
    403,
    'contact-changed',
    'Your phone number was changed. Please start again, with a new code.',
  );
}
