import { setTimeout as sleep } from 'node:timers/promises';

const LOOKS = 15;
const PAUSE_MS = 20;

/**
 * What is there now, or within a moment; `null` when it is not. For a call that a limit refused because the same request,
 * in another call, has just charged for it.
 */
export async function soon<T>(look: () => Promise<T | null>): Promise<T | null> {
  for (let left = LOOKS; left > 0; left -= 1) {
    const found = await look();
    if (found !== null) return found;
    await sleep(PAUSE_MS);
  }
  return null;
}
