import type { StatementResult } from '../drivers/statement-result.js';
import type { Deadline } from '../execution/deadline.js';
import type { SqlValues, Statement } from '../statement.js';
import type { Batchable } from './coalescing-queue.js';

/**
 * How a call is batched. The statements of a batch return a row per call: `key` is the first of `keys`, and `touched` tells
 * whether a row was affected. A call without a row in the result is executed on its own.
 */
export interface BatchSpec extends Batchable {
  /** Executes all calls of one kind. It takes their values as arrays: see `bindArrays`. */
  readonly batchStatement: Statement;
  /**
   * Executes the calls of which the batch has returned no row. Needed where `batchStatement` and `singleStatement` return
   * affected rows only, and the reason for the others is still to be found: no such row, or a locked one.
   */
  readonly followUpStatement?: Statement | undefined;
  /**
   * Executes only this call, with the same values. It can be sent together with statements of other kinds, as one
   * transaction. It must never wait for a row lock: two such transactions would deadlock.
   */
  readonly singleStatement?: Statement | undefined;
  /** Called when the statement is issued, so that a time in the values is the time of the statement. */
  readonly values: () => SqlValues;
  /** Values that are the same for all calls of a batch. Not with a `singleStatement`, which is bound to the values of one call alone. */
  readonly sharedValues?: (() => SqlValues) | undefined;
}

/** A call that waits for its batch. */
export interface QueuedCall extends Batchable {
  readonly batch: BatchSpec;
  /** The statement and the values with which the call is executed on its own. */
  readonly statement: Statement;
  readonly values: () => SqlValues;
  readonly deadline: Deadline;
  readonly resolve: (result: StatementResult | Promise<StatementResult>) => void;
  readonly reject: (error: unknown) => void;
}
