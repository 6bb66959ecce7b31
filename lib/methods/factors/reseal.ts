import { parseBatchSize } from '../../confirmation/index.js';
import { openFactorSecret, sealFactorSecret, type KeyRing } from '../../crypto/index.js';
import type { Clock } from '../../options/index.js';
import type { ResealInput } from './factor-inputs.js';
import type { FactorRow } from './factor-record.entity.js';
import type { ResealResult } from './factor-views.js';
import { ENROLMENT_MS, type FactorStore } from './factor.store.js';

/** Encrypts all secrets of factors that are sealed under a former key again under the current key, a batch of rows at a time. */
export async function resealAll(
  store: FactorStore,
  keyRing: KeyRing,
  { batchSize: givenSize, signal }: ResealInput,
  clock: Clock,
): Promise<ResealResult> {
  const batchSize = parseBatchSize(givenSize);
  const left: Record<string, number> = {};
  let resealed = 0;
  let after = '';
  for (;;) {
    if (signal?.aborted) return { resealed, left, isComplete: false };
    const batch = await store.sealed(after, batchSize);
    for (const factor of batch) {
      const kid = (factor.data ?? '').split('.', 2)[1] ?? '';
      if (kid === keyRing.current.kid || isEnded(factor, clock.now())) continue;
      if (await resealFactor(store, keyRing, factor)) resealed += 1;
      else left[kid] = (left[kid] ?? 0) + 1;
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) break;
    after = last.id;
  }
  return { resealed, left, isComplete: true };
}

/** Whether it is an enrolment that can be activated no longer. A purge deletes it. */
function isEnded({ activatedAt, createdAt }: FactorRow, now: number): boolean {
  return activatedAt === null && createdAt + ENROLMENT_MS <= now;
}

/**
 * Encrypts the secret of one factor again under the signing key. False when it cannot be opened, when a concurrent call has
 * replaced it, and for a pending enrolment: its activation writes the secret that it has read, and would undo this. It ends, or is a
 * factor, in 15 minutes.
 */
async function resealFactor(
  store: FactorStore,
  keyRing: KeyRing,
  { id, subject, data, activatedAt }: FactorRow,
): Promise<boolean> {
  if (activatedAt === null) return false;
  const secret = data === null ? null : openFactorSecret(keyRing, data, { id, subject });
  if (data === null || secret === null) return false;
  return store.reseal(id, data, sealFactorSecret(keyRing, secret, { id, subject }));
}
