import type { ExecutedStatement } from './statement-result.js';
import type { SqlValue, Statement } from '../statement.js';

/** What is said to the server: a statement, and the values in the order of its placeholders. */
export interface BoundStatement {
  readonly statement: Statement;
  readonly values: SqlValue[];
}

/** A connection of the pool, held for one statement, or for several that go together. */
export interface ConnectionLease {
  /** As the driver knows it. */
  readonly raw: unknown;
  /** Whether what it sends is prepared, if it can be. */
  readonly isPrepared: boolean;
  /** Whether it takes several statements in one go, as one transaction: all of them, or nothing. Else it takes one. */
  readonly sendsTogether: boolean;
  send(said: readonly BoundStatement[]): Promise<ExecutedStatement>;
  rollBack(): Promise<unknown>;
  release(): Promise<void> | void;
}
