import { setTimeout as sleep } from 'node:timers/promises';

const PAUSES_MS = [0, 10, 30, 90, 180];

/**
 * Returns what `look` finds now or within a third of a second; `null` when it finds nothing. For a call that a limit refused
 * because a concurrent repeat of the same request has consumed the quota, and has not inserted its row yet.
 */
export async function pollBriefly<T>(look: () => Promise<T | null>): Promise<T | null> {
  for (const pause of PAUSES_MS) {
    await sleep(pause);
    const found = await look();
    if (found !== null) return found;
  }
  return null;
}
