/** What a statement touched. */
export interface StatementResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affected: number;
}

export interface ExecutedStatement extends StatementResult {
  /** As far as the server said it with the answer. */
  readonly isUncommitted: boolean;
}

interface MysqlAnswer {
  readonly serverStatus?: number;
  readonly inTransaction?: number | string;
}

/** Of what TypeORM answers. */
export function resultFromTypeOrm(structured: unknown): ExecutedStatement {
  const { records, affected, raw } = structured as {
    records?: StatementResult['rows'];
    affected?: number;
    raw?: unknown;
  };
  return {
    rows: Array.isArray(records) ? records : [],
    affected: affected ?? 0,
    isUncommitted: leftTransactionOpen(raw),
  };
}

/**
 * MySQL says it with every answer without rows: SERVER_STATUS_IN_TRANS. A statement that writes and answers rows asks
 * for it as `inTransaction`.
 */
export function leftTransactionOpen(raw: unknown): boolean {
  const answer = (Array.isArray(raw) ? raw[0] : raw) as MysqlAnswer | null | undefined;
  const { serverStatus = 0, inTransaction = 0 } = answer ?? {};
  return (serverStatus & 1) === 1 || Number(inTransaction) === 1;
}
