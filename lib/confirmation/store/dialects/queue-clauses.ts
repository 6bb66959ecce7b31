import type { BatchColumnTypes, Engine, SqlValues, TableNames } from '../../../database/index.js';

/** The table of queued messages, as far as the statements of the confirmations write it. */
export type QueueTable = TableNames<
  | 'confirmation'
  | 'number'
  | 'way'
  | 'isBound'
  | 'dueAt'
  | 'claims'
  | 'tries'
  | 'isCharged'
  | 'failedAt'
  | 'reason'
>;

/** The row of a message in the queue, which is written together with its confirmation. */
export interface QueuedMessage {
  /** When a worker may claim it, in epoch milliseconds. */
  readonly dueAt: number;
  /** 1 when the worker of this instance holds it from the start, 0 when any worker may claim it. */
  readonly claims: 0 | 1;
  /** 1 when its budgets are charged for a call that no worker has begun. */
  readonly isCharged: 0 | 1;
  /** 1 when the application named the recipient for a subject: such messages do not wait behind those to recipients of clients. */
  readonly isBound: 0 | 1;
}

/** The values of a queued message in the statements that insert its row, and their SQL types. */
export const QUEUED: BatchColumnTypes = {
  queuedDueAt: 'bigint',
  queuedClaims: 'int',
  queuedIsCharged: 'int',
  queuedIsBound: 'int',
};

export function queuedValues({ dueAt, claims, isCharged, isBound }: QueuedMessage): SqlValues {
  return {
    queuedDueAt: dueAt,
    queuedClaims: claims,
    queuedIsCharged: isCharged,
    queuedIsBound: isBound,
  };
}

export interface QueueClauses {
  /** `INSERT INTO ... (...)`, without the values. */
  readonly insertInto: string;
  /** The values of the first message of a confirmation. */
  readonly first: string;
  /** The values of the message that a `bind` has just counted. */
  readonly next: string;
  /**
   * Ends an INSERT so that it replaces the row of an earlier confirmation with the same id. An id that stands for an idempotency
   * key comes again after its confirmation was erased.
   */
  readonly orReplace: string;
}

export function queueClauses(engine: Engine, { table, column: q }: QueueTable): QueueClauses {
  const written = [q.way, q.dueAt, q.claims, q.tries, q.isCharged, q.isBound];
  const values = ':way, :queuedDueAt, :queuedClaims, 0, :queuedIsCharged, :queuedIsBound';
  const replaced =
    engine === 'mysql'
      ? values.split(', ').map((value, index) => `${written[index]} = ${value}`)
      : written.map((column) => `${column} = excluded.${column}`);
  const set = [...replaced, `${q.failedAt} = NULL`, `${q.reason} = NULL`].join(', ');
  return {
    insertInto: `INSERT INTO ${table} (${[q.confirmation, q.number, ...written].join(', ')})`,
    first: `:id, 1, ${values}`,
    next: `:id, :seenSends + 1, ${values}`,
    orReplace:
      engine === 'mysql'
        ? `ON DUPLICATE KEY UPDATE ${set}`
        : `ON CONFLICT (${q.confirmation}, ${q.number}) DO UPDATE SET ${set}`,
  };
}
