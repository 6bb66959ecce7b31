import { TwoFactorUnavailableError } from '../../errors/index.js';

/** Attempts of one call to consume quotas that concurrent calls keep consuming and refunding. */
const MAX_ROUNDS = 20;

/**
 * Repeats an attempt to consume quotas until it has a result, at most 20 times. Without that limit a call could compete with
 * others for the last unit of a quota without end.
 *
 * @param attempt gets the number of the round, from 0 on, and returns `null` when a concurrent call took the last unit of a quota
 * that was free when this call checked it.
 * @param mayContinue is asked before each round.
 * @throws TwoFactorUnavailableError when no round had a result.
 */
export async function consumeWithRetry<T extends object>(
  attempt: (round: number) => Promise<T | null>,
  mayContinue = (): boolean => true,
): Promise<T> {
  for (let round = 0; round < MAX_ROUNDS && mayContinue(); round += 1) {
    const result = await attempt(round);
    if (result !== null) return result;
  }
  throw new TwoFactorUnavailableError('The limits are contended. Try again.');
}
