import type { Answer } from './answer.js';
import type { SqlValue, Statement } from './statement.js';

/** A connection of the pool, held for one statement. */
export interface HeldConnection {
  /** As the driver knows it. */
  readonly raw: unknown;
  /** Whether what it sends is prepared, if it can be. */
  readonly isPrepared: boolean;
  send(statement: Statement, values: SqlValue[]): Promise<Answer>;
  rollBack(): Promise<unknown>;
  release(): Promise<void> | void;
}
