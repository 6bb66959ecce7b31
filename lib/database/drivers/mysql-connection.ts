import {
  leftTransactionOpen,
  type ExecutedStatement,
  type StatementResult,
} from './statement-result.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import type { SqlValue } from '../statement.js';

type MysqlResult = StatementResult['rows'] | { readonly affectedRows: number };
type Say = (
  statement: { readonly sql: string; readonly typeCast?: typeof noTypeCast },
  values: SqlValue[],
  answered: (error: Error | null, told: MysqlResult) => void,
) => void;

/** What is used of a connection of `mysql2`, or of `mysql`. */
export interface MysqlClient {
  readonly config?: { readonly typeCast?: unknown };
  readonly query: Say;
  /** As a prepared statement; `mysql` has none. */
  readonly execute?: Say;
  release(): void;
}

/**
 * In place of an application's own cast, which reads what a prepared statement answers as if it were text; where there is
 * none, a cast of any kind would have `mysql2` make an object for each value.
 */
function noTypeCast(_field: unknown, next: () => unknown): unknown {
  return next();
}

export class MysqlConnection implements ConnectionLease {
  readonly isPrepared = true;
  readonly sendsTogether = false;

  constructor(readonly raw: MysqlClient) {}

  send(said: readonly BoundStatement[]): Promise<ExecutedStatement> {
    const [{ statement, values }] = said as [BoundStatement];
    const { text, isPreparable } = statement;
    const isPrepared = isPreparable && this.raw.execute !== undefined;
    return this.#query(isPrepared ? 'execute' : 'query', text, values);
  }

  rollBack(): Promise<unknown> {
    return this.#query('query', 'ROLLBACK', []);
  }

  release(): void {
    this.raw.release();
  }

  #query(how: 'execute' | 'query', sql: string, values: SqlValue[]): Promise<ExecutedStatement> {
    const isCast = typeof this.raw.config?.typeCast === 'function';
    return new Promise((resolve, reject) => {
      this.raw[how]!(isCast ? { sql, typeCast: noTypeCast } : { sql }, values, (error, told) => {
        if (error) reject(error);
        else resolve(resultFromMysql(told));
      });
    });
  }
}

function resultFromMysql(told: MysqlResult): ExecutedStatement {
  const isUncommitted = leftTransactionOpen(told);
  return 'affectedRows' in told
    ? { rows: [], affected: told.affectedRows, isUncommitted }
    : { rows: told, affected: 0, isUncommitted };
}
