import { parseBatchSize } from '../../confirmation/index.js';
import type { Clock } from '../../options/index.js';
import type { ResealInput } from './factor-inputs.js';
import type { StoredFactor } from './factor-record.entity.js';
import { keyIdOf } from './factor-seals.js';
import type { ResealResult } from './factor-views.js';
import { ENROLMENT_MS, type FactorStore } from './factor.store.js';

/** Encrypts the data of all factors that is sealed under a former key again under the current key, a batch of rows at a time. */
export async function resealAll(
  store: FactorStore,
  { batchSize: givenSize, signal }: ResealInput,
  clock: Clock,
): Promise<ResealResult> {
  const batchSize = parseBatchSize(givenSize);
  // Without a prototype: a key id that was written into the database by hand can be any text, such as `__proto__`.
  const left = Object.create(null) as Record<string, number>;
  let resealed = 0;
  let after = '';
  for (;;) {
    if (signal?.aborted) return { resealed, left, isComplete: false };
    const batch = await store.listSealed(after, batchSize);
    for (const factor of batch) {
      if (store.seals.isCurrent(factor) || isEnded(factor, clock.now())) continue;
      const kid = keyIdOf(factor.data);
      if (await resealFactor(store, factor)) resealed += 1;
      else left[kid] = (left[kid] ?? 0) + 1;
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) break;
    after = last.id;
  }
  return { resealed, left, isComplete: true };
}

/** Whether it is an enrolment that can be activated no longer. A purge deletes it. */
function isEnded({ activatedAt, createdAt }: StoredFactor, now: number): boolean {
  return activatedAt === null && createdAt + ENROLMENT_MS <= now;
}

/**
 * Encrypts the data of one factor again under the signing key. False when it cannot be opened, when a concurrent call has
 * replaced it, and for a pending enrolment: its activation writes the secret that it has read, and would undo this. It ends, or is a
 * factor, in 15 minutes.
 */
async function resealFactor(store: FactorStore, factor: StoredFactor): Promise<boolean> {
  const { id, data, activatedAt } = factor;
  const sealed = activatedAt === null ? null : store.seals.sealAgain(factor);
  return data !== null && sealed !== null && store.reseal(id, data, sealed);
}
