export interface StatementResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affected: number;
}

export const NO_ROWS_AFFECTED: StatementResult = { rows: [], affected: 0 };

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
export type MysqlResult = StatementResult['rows'] | { readonly affectedRows: number };

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
    isUncommitted: hasOpenTransaction(raw),
  };
}

/** `pg` keeps the state of the transaction in the client: see `isInLeftoverTransaction`. */
export function resultFromPg({ rows, rowCount }: PgResult): ExecutedStatement {
  return { rows, affected: rowCount ?? 0, isUncommitted: false };
}

export function resultFromMysql(result: MysqlResult): ExecutedStatement {
  const isUncommitted = hasOpenTransaction(result);
  return 'affectedRows' in result
    ? { rows: [], affected: result.affectedRows, isUncommitted }
    : { rows: result, affected: 0, isUncommitted };
}

/**
 * MySQL reports an open transaction with every answer that has no rows, as SERVER_STATUS_IN_TRANS. A statement that writes
 * and returns rows selects it as `inTransaction`.
 */
function hasOpenTransaction(raw: unknown): boolean {
  const answer = (Array.isArray(raw) ? raw[0] : raw) as
    { readonly serverStatus?: number; readonly inTransaction?: number | string } | null | undefined;
  const { serverStatus = 0, inTransaction = 0 } = answer ?? {};
  return (serverStatus & 1) === 1 || Number(inTransaction) === 1;
}
