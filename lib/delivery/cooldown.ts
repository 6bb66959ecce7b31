import type { ConfirmationRow } from '../confirmation/index.js';
import type { ResolvedOptions } from '../options/index.js';

/** The pause after the `sends`-th message, in milliseconds. The last pause of the list repeats. */
export function cooldownMs(sends: number, { cooldownSeconds }: ResolvedOptions): number {
  return (cooldownSeconds[Math.min(sends, cooldownSeconds.length) - 1] ?? 0) * 1_000;
}

/**
 * When the next message may be sent, in epoch milliseconds: at most one pause from now. Without that bound, a clock that was
 * set back would block the confirmation for as long as it was ahead.
 */
export function resendAt(row: ConfirmationRow, now: number, options: ResolvedOptions): number {
  if (row.lastSentAt === null) return now;
  const pause = cooldownMs(row.sends, options);
  return Math.min(row.lastSentAt + pause, now + pause);
}
