import type { ConfirmationRow } from '../confirmation/index.js';
import type { ResolvedOptions } from '../options/index.js';

/** The pause after the `sends`-th message, in milliseconds; the last one of the list repeats. */
export function cooldownMs(sends: number, { cooldownSeconds }: ResolvedOptions): number {
  return (cooldownSeconds[Math.min(sends, cooldownSeconds.length) - 1] ?? 0) * 1_000;
}

/**
 * From when on another message may go out, epoch milliseconds. Never said to be later than one whole pause from now, also
 * when the clock was set back.
 */
export function resendAt(row: ConfirmationRow, now: number, options: ResolvedOptions): number {
  if (row.lastSentAt === null) return now;
  const pause = cooldownMs(row.sends, options);
  return Math.min(row.lastSentAt + pause, now + pause);
}
