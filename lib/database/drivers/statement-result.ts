export interface StatementResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affected: number;
  /**
   * What `LAST_INSERT_ID(expression)` was set to last in a statement of MySQL or MariaDB; 0 when it was not evaluated, when a
   * trigger has reset it, and on other engines.
   */
  readonly insertId: number;
}

export const NO_ROWS_AFFECTED: StatementResult = { rows: [], affected: 0, insertId: 0 };

export interface ExecutedStatement extends StatementResult {
  /** Whether the server reported an open transaction with its answer. A later rollback would undo the statement. */
  readonly isUncommitted: boolean;
}

/** What `pg` returns. */
export interface PgResult {
  readonly rows: StatementResult['rows'];
  readonly rowCount: number | null;
}

/** What `mysql2` and `mysql` return: the rows, or a header for a statement without rows. */
export type MysqlResult =
  | StatementResult['rows']
  | { readonly affectedRows: number; readonly insertId?: number | string | undefined };

/** The result of a TypeORM query runner with `useStructuredResult`. */
export function resultFromTypeOrm(structured: unknown): ExecutedStatement {
  const { records, affected, raw } = structured as {
    records?: StatementResult['rows'];
    affected?: number;
    raw?: unknown;
  };
  return {
    rows: Array.isArray(records) ? records : [],
    affected: affected ?? 0,
    insertId: insertIdOf(raw),
    isUncommitted: hasOpenTransaction(raw),
  };
}

/** `pg` keeps the state of the transaction in the client: see `transactionStateOf`. */
export function resultFromPg({ rows, rowCount }: PgResult): ExecutedStatement {
  return { rows, affected: rowCount ?? 0, insertId: 0, isUncommitted: false };
}

export function resultFromMysql(result: MysqlResult): ExecutedStatement {
  const isUncommitted = hasOpenTransaction(result);
  return 'affectedRows' in result
    ? { rows: [], affected: result.affectedRows, insertId: insertIdOf(result), isUncommitted }
    : { rows: result, affected: 0, insertId: 0, isUncommitted };
}

/** A number, or its text from a pool that is set up with `bigNumberStrings`. SQLite answers with a number of its own. */
function insertIdOf(raw: unknown): number {
  const { insertId } = (raw ?? {}) as { readonly insertId?: unknown };
  const number = Number(insertId);
  return Number.isSafeInteger(number) ? number : 0;
}

/**
 * MySQL reports an open transaction with every answer that has no rows, as SERVER_STATUS_IN_TRANS. A SELECT does not report it, so that
 * a read may run inside such a transaction unnoticed.
 */
function hasOpenTransaction(raw: unknown): boolean {
  const { serverStatus = 0 } = (raw ?? {}) as { readonly serverStatus?: number };
  return (serverStatus & 1) === 1;
}
