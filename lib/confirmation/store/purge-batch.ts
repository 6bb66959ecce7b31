import type { Statement, StatementRunner } from '../../database/index.js';

/** What one batch of a purge deleted, and the id that the next one begins after; `null` when it was the last. */
export interface PurgedBatch {
  readonly affected: number;
  readonly end: string | null;
}

/** The rows of a batch: those beyond the id `after` and up to `bound` that have ended before `before` (epoch ms). */
export interface PurgeRange {
  readonly after: string;
  readonly bound: string;
  readonly before: number;
}

/** `endOfBatch` reads the last id of a batch, `purge` deletes up to it. */
export interface PurgeStatements {
  readonly endOfBatch: Statement;
  readonly purge: Statement;
}

/** Deletes up to `limit` rows along the primary key. */
export async function purgeBatch(
  runner: StatementRunner,
  { endOfBatch, purge }: PurgeStatements,
  { after, bound, before }: PurgeRange,
  limit: number,
): Promise<PurgedBatch> {
  const others = limit - 1;
  const { rows } = await runner.run(endOfBatch, () => ({ after, bound, before, others }));
  const end = rows[0] === undefined ? null : String(rows[0]['id']);
  const { affected } = await runner.run(purge, () => ({ after, last: end ?? bound, before }));
  return { affected, end };
}
