import type { BoundStatement } from './connection-lease.js';
import { NO_ROWS_AFFECTED, type StatementResult } from './statement-result.js';

type Rows = StatementResult['rows'];

/** The part of a connection of `better-sqlite3` that is used here. */
interface BetterSqliteConnection {
  readonly inTransaction: boolean;
  exec(sql: string): unknown;
  prepare(sql: string): {
    readonly reader: boolean;
    all(...values: unknown[]): Rows;
    run(...values: unknown[]): { readonly changes: number };
  };
}

/** The part of a database of `sql.js` that is used here. */
interface SqlJsConnection {
  exec(sql: string): unknown;
  getRowsModified(): number;
  prepare(sql: string): {
    bind(values: unknown[]): unknown;
    step(): boolean;
    getAsObject(): Rows[number];
    free(): unknown;
  };
}

/**
 * Executes statements at once, on the driver itself. TypeORM's SQLite drivers share one connection: with an `await` between
 * BEGIN and COMMIT, statements of the application would get into the transaction, and a rollback would undo them.
 */
export function executeNow(raw: unknown, { statement, values }: BoundStatement): StatementResult {
  const connection = raw as BetterSqliteConnection | SqlJsConnection;
  if ('getRowsModified' in connection) return executeSqlJs(connection, statement.text, values);
  const prepared = connection.prepare(statement.text);
  if (!prepared.reader) return { ...NO_ROWS_AFFECTED, affected: prepared.run(...values).changes };
  const rows = prepared.all(...values);
  return { ...NO_ROWS_AFFECTED, rows, affected: rows.length };
}

/** At once, as `executeNow`. `IMMEDIATE` takes the write lock first: an upgrade of a read lock could not wait for it. */
export function executeTransactionCommand(
  raw: unknown,
  sql: 'BEGIN IMMEDIATE' | 'COMMIT' | 'ROLLBACK',
): void {
  (raw as BetterSqliteConnection | SqlJsConnection).exec(sql);
}

function executeSqlJs(
  connection: SqlJsConnection,
  text: string,
  values: unknown[],
): StatementResult {
  const prepared = connection.prepare(text);
  try {
    prepared.bind(values);
    const rows: Rows[number][] = [];
    while (prepared.step()) rows.push(prepared.getAsObject());
    return { ...NO_ROWS_AFFECTED, rows, affected: connection.getRowsModified() };
  } finally {
    prepared.free();
  }
}
