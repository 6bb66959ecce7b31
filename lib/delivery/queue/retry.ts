/** The calls of a provider for one message, as far as it answers or takes too long. A crash during a call is not counted. */
export const MAX_TRIES = 3;
const FIRST_PAUSE_MS = 5_000;
const GROWTH = 4;
/** A message that arrives later than this before its code expires is of no use. */
const MIN_REMAINING_MS = 60_000;

/**
 * The pause before the next call, in milliseconds: 5 seconds and then 20, each between half and one and a half times as much, so
 * that what failed together is not repeated together. Never less than what the provider asks for.
 *
 * @param tries the calls so far, from 1.
 * @param random from 0 to 1.
 */
export function retryPauseMs(tries: number, retryAfterMs = 0, random = Math.random()): number {
  const pause = FIRST_PAUSE_MS * GROWTH ** (tries - 1) * (0.5 + random);
  return Math.round(Math.max(pause, retryAfterMs));
}

/** Until when a message is worth sending: a minute before its code expires, or after half of its life if that is later. */
export function latestSendTime({
  createdAt,
  expiresAt,
}: {
  readonly createdAt: number;
  readonly expiresAt: number;
}): number {
  return expiresAt - Math.min(MIN_REMAINING_MS, (expiresAt - createdAt) / 2);
}
