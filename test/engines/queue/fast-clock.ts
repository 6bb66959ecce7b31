import type { Clock } from '../../../lib/index.js';

/** How many seconds pass for the application in one real second, so that a lease of half a minute ends within a test. */
export const SPEED = 4;

/** A clock that is the same in all processes of a test, and runs fast. */
export function fastClock(startedAt: number): Clock {
  return { now: () => Math.round(startedAt + (Date.now() - startedAt) * SPEED) };
}
