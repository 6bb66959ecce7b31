import type { SqlValue } from '../statement.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import { resultFromMysql, type ExecutedStatement, type MysqlResult } from './statement-result.js';

type Query = (
  statement: { readonly sql: string; readonly typeCast?: typeof noTypeCast },
  values: SqlValue[],
  callback: (error: Error | null, result: MysqlResult) => void,
) => void;

/** The part of a connection of `mysql2`, or of `mysql`, that is used here. */
export interface MysqlClient {
  readonly config?: { readonly typeCast?: unknown };
  readonly query: Query;
  /** Prepares the statement. `mysql` cannot. */
  readonly execute?: Query;
  release(): void;
}

/**
 * Replaces the `typeCast` of an application, which expects text and would misread the binary values of a prepared
 * statement. It is passed only where there is one, because with any `typeCast` `mysql2` makes an object per value.
 */
function noTypeCast(_field: unknown, next: () => unknown): unknown {
  return next();
}

export class MysqlConnection implements ConnectionLease {
  readonly usesPreparedStatements = true;
  readonly supportsPipelinedBatch = false;
  readonly beginCommitsImplicitly = true;

  constructor(readonly raw: MysqlClient) {}

  execute(statements: readonly BoundStatement[]): Promise<ExecutedStatement> {
    const [{ statement, values }] = statements as [BoundStatement];
    const { text, isPreparable } = statement;
    const isPrepared = isPreparable && this.raw.execute !== undefined;
    return this.#query(isPrepared ? 'execute' : 'query', text, values);
  }

  begin(): Promise<unknown> {
    return this.#query('query', 'BEGIN', []);
  }

  commit(): Promise<unknown> {
    return this.#query('query', 'COMMIT', []);
  }

  rollBack(): Promise<unknown> {
    return this.#query('query', 'ROLLBACK', []);
  }

  release(): void {
    this.raw.release();
  }

  #query(method: 'execute' | 'query', sql: string, values: SqlValue[]): Promise<ExecutedStatement> {
    const hasTypeCast = typeof this.raw.config?.typeCast === 'function';
    return new Promise((resolve, reject) => {
      const query = hasTypeCast ? { sql, typeCast: noTypeCast } : { sql };
      this.raw[method]!(query, values, (error, result) => {
        if (error) reject(error);
        else resolve(resultFromMysql(result));
      });
    });
  }
}
