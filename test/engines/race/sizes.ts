/** A twin's call is five statements instead of one, and one call for each connection is enough to break it. */
export const callsOf = (isNaive: boolean): number => (isNaive ? 40 : 100);
export const FAILURE_LIMIT = 10;
/** Confirmations, and steps that lead from one to each of the others. */
export const CROWD = 12;
export const STEPS = [1, 5, 7, 11] as const;
/** An hour's messages to one token. */
export const SENDS_PER_TOKEN = 5;
export const COOLDOWN_MS = 31_000;
/** More than a code lives (600 s), less than a confirmed one (900 s). */
export const PURGER_AHEAD_MS = 601_000;
