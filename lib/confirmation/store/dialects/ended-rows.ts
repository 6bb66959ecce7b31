import {
  isStatementUnsupported,
  listValues,
  placeholders,
  type SqlValues,
  Statement,
  statementsByName,
  statementSizeFor,
  type Engine,
  type StatementRunner,
} from '../../../database/index.js';
import type { StatementContext } from './confirmation-dialect.js';
import { deadClause, DIALECTS } from './statements.js';

/** The statements by which a purge deletes the rows of one table that have ended. */
export interface EndedRows {
  readonly find: Statement;
  remove(count: number): Statement;
  /** Deletes one row, for servers that refuse `remove`. */
  readonly removeOne: Statement;
}

/** A table of which rows are purged: its name, its column `id`, and the name of that column in a result. */
export interface PurgedTable {
  readonly table: string;
  readonly id: string;
  readonly alias: string;
}

/** The range of ids in which a batch looks, behind the previous one, and how many rows it deletes at most. */
export interface PurgedRange {
  readonly after: string;
  readonly bound: string;
  readonly limit: number;
}

/** What one batch of a purge deleted, and the id that the next one begins after; `null` when it was the last. */
export interface PurgedBatch {
  readonly affected: number;
  readonly end: string | null;
}

/**
 * Two statements: the first reads which rows have ended, and locks none; the second names these rows. MySQL and MariaDB lock each row
 * that a DELETE looks at, and keep the lock until it ends. One DELETE over a range would look at the rows between those that
 * have ended, wait for one that an open transaction of the application holds, and meanwhile keep all rows before it locked.
 *
 * @param isEnded repeated by the second statement: a row that the first one saw as ended may have been confirmed since.
 */
export function endedRows(
  engine: Engine,
  { table, id, alias }: PurgedTable,
  isEnded: string,
): EndedRows {
  const { onPrimary } = DIALECTS[engine];
  const once = statementsByName(engine);
  // The hint names the index, because MySQL and MariaDB would otherwise read all of a small table, and wait for rows that the purge keeps.
  const deleteFrom =
    engine === 'mysql'
      ? `DELETE ended FROM ${table} AS ended FORCE INDEX (PRIMARY)`
      : `DELETE FROM ${table}`;
  return {
    // From where the previous batch ended: PostgreSQL keeps deleted rows in the index until a vacuum, and would read all of them again
    // for every batch.
    find: new Statement(
      engine,
      onPrimary(
        `SELECT ${id} AS ${alias} FROM ${table} WHERE ${id} > :after AND ${id} <= :bound AND ${isEnded}
        ORDER BY ${id} LIMIT :limit`,
        alias,
      ),
    ),
    removeOne: new Statement(engine, `DELETE FROM ${table} WHERE ${id} = :id AND ${isEnded}`),
    remove: (count) => {
      const size = statementSizeFor(count);
      return once(
        size,
        () => `${deleteFrom} WHERE ${id} IN (${placeholders('id', size)}) AND ${isEnded}`,
      );
    },
  };
}

/** @param times the values of the condition `isEnded`. */
export async function purgeEnded(
  runner: StatementRunner,
  statements: EndedRows,
  range: PurgedRange,
  times: SqlValues,
): Promise<PurgedBatch> {
  const { rows } = await runner.run(statements.find, () => ({ ...range, ...times }));
  const ids = rows.map((row) => String(row['id']));
  const last = ids.at(-1);
  if (last === undefined) return { affected: 0, end: null };
  const affected = await remove(runner, statements, ids, times);
  return { affected, end: ids.length === range.limit ? last : null };
}

async function remove(
  runner: StatementRunner,
  statements: EndedRows,
  ids: readonly string[],
  times: SqlValues,
): Promise<number> {
  // A text for more rows than there are repeats the last one.
  const named = Array.from(
    { length: statementSizeFor(ids.length) },
    (_, at) => ids[at] ?? ids.at(-1)!,
  );
  const values = { ...listValues('id', named), ...times };
  try {
    return (await runner.run(statements.remove(ids.length), () => values)).affected;
  } catch (error) {
    if (!isStatementUnsupported(error)) throw error;
  }
  // MariaDB with `sql_safe_updates` refuses every DELETE with an index hint. Each row is then deleted by a statement without a hint.
  let affected = 0;
  for (const id of ids) {
    affected += (await runner.run(statements.removeOne, () => ({ id, ...times }))).affected;
  }
  return affected;
}

/** The confirmations that could neither be confirmed nor used since `:before`. */
export function endedConfirmations({ engine, names }: StatementContext): EndedRows {
  const { table, column, alias } = names;
  return endedRows(engine, { table, id: column.id, alias: alias.id }, deadClause(names));
}
