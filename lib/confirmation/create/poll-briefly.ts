import { setTimeout as sleep } from 'node:timers/promises';

const PAUSES_MS = [0, 10, 30, 90, 180];

/**
 * What is there now, or within a moment; `null` when it is not. For a call that a limit refused because the same request,
 * in another call, has just charged for it.
 */
export async function pollBriefly<T>(look: () => Promise<T | null>): Promise<T | null> {
  for (const pause of PAUSES_MS) {
    await sleep(pause);
    const found = await look();
    if (found !== null) return found;
  }
  return null;
}
