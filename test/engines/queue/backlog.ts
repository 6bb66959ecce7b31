import type { DataSource } from 'typeorm';

/** A message that was given up. Times are in milliseconds of the application's clock. */
export interface FailedMessage {
  readonly confirmation: string;
  readonly reason: string;
  readonly failedAt: number;
  readonly expiresAt: number;
}

/** What is left in the queue. */
export interface Backlog {
  readonly waiting: number;
  /**
   * The confirmations of messages that wait although their code has expired, or expires before the next look: a process may drop such a
   * message between two looks, and be killed before it reports that.
   */
  readonly overdue: readonly string[];
  readonly failed: readonly FailedMessage[];
}

interface Row {
  readonly confirmation: string;
  readonly reason: string;
  readonly due_at: unknown;
  readonly failed_at: unknown;
  readonly expires_at: unknown;
}

/**
 * @param now by the application's clock.
 * @param nextLookMs the time until the next look, in milliseconds of that clock.
 */
export async function backlogOf(
  dataSource: DataSource,
  now = Date.now(),
  nextLookMs = 0,
): Promise<Backlog> {
  const rows = await dataSource.query<Row[]>(
    `SELECT queued.confirmation, queued.reason, queued.due_at, queued.failed_at, made.expires_at
     FROM two_factor_delivery queued LEFT JOIN two_factor_confirmation made ON made.id = queued.confirmation`,
  );
  const failed = rows.filter((row) => row.due_at === null);
  return {
    waiting: rows.length - failed.length,
    overdue: rows
      .filter((row) => row.due_at !== null && Number(row.expires_at) < now + nextLookMs)
      .map(({ confirmation }) => confirmation),
    failed: failed.map((row) => ({
      confirmation: row.confirmation,
      reason: row.reason,
      failedAt: Number(row.failed_at),
      expiresAt: Number(row.expires_at),
    })),
  };
}
