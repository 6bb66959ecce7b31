import { COARSE_WAIT_MS } from '../../limits/index.js';

/**
 * The calls of a provider for one message, as far as it answers or takes too long. A crash during a call is not counted: the next worker
 * claims the message when the lease has ended, and its call is charged again.
 */
export const MAX_TRIES = 3;
const FIRST_PAUSE_MS = 5_000;
const GROWTH = 4;
/** A message that arrives later than this before its code expires is of no use. */
const MIN_REMAINING_MS = 60_000;
/** How long before the last time at which a message is worth sending its last try is made: a worker that polls finds it in time. */
const LAST_TRY_MS = 60_000;

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

/**
 * When a message is tried again that a limit has refused; `null` when no later try can succeed.
 *
 * The reported wait may be rounded up by almost five minutes, because strangers may see it. A message whose limit may open in time
 * is therefore tried once more shortly before it is too late.
 *
 * @param waitSeconds the reported wait; `null` when waiting does not help.
 */
export function nextTryAfterLimit(
  row: { readonly createdAt: number; readonly expiresAt: number },
  now: number,
  waitSeconds: number | null,
): number | null {
  if (waitSeconds === null) return null;
  const latest = latestSendTime(row);
  const dueAt = now + waitSeconds * 1_000;
  if (dueAt <= latest) return dueAt;
  const lastTryAt = latest - LAST_TRY_MS;
  return now < lastTryAt && dueAt - COARSE_WAIT_MS < lastTryAt ? lastTryAt : null;
}
