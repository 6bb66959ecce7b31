import type { SqlValue, Statement } from '../statement.js';
import type { ExecutedStatement } from './statement-result.js';

/** A statement and its values, in the order of its placeholders. */
export interface BoundStatement {
  readonly statement: Statement;
  readonly values: SqlValue[];
}

/** A connection of the pool, leased for one execution: of one statement, or of a batch. */
export interface ConnectionLease {
  /** The connection object of the driver. */
  readonly raw: unknown;
  /** Whether the lease prepares the statements that can be prepared. A pooler may refuse those. */
  readonly usesPreparedStatements: boolean;
  /** Whether `execute` takes several statements and runs them as one transaction. Otherwise it takes exactly one. */
  readonly supportsPipelinedBatch: boolean;
  /** Whether BEGIN commits a transaction that is open on the connection, as MySQL and MariaDB do. */
  readonly beginCommitsImplicitly: boolean;
  execute(statements: readonly BoundStatement[]): Promise<ExecutedStatement>;
  begin(): Promise<unknown>;
  commit(): Promise<unknown>;
  rollBack(): Promise<unknown>;
  release(): Promise<void> | void;
}
