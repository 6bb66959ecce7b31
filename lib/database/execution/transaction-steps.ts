import type { SqlValues, Statement } from '../statement.js';
import type { StatementResult } from '../drivers/statement-result.js';
import { ExecutionError } from './execution-errors.js';

/** One statement of a transaction. */
export interface TransactionStep {
  readonly statement: Statement;
  readonly values: SqlValues;
}

/**
 * The statements of a transaction, as a generator that yields each one and receives its result. A generator cannot wait for
 * anything else: the locks are held for the database only, and on SQLite the whole transaction runs within one tick. To
 * throw rolls back.
 *
 * It may run again from its start after a lost race, so that it changes nothing but the database.
 */
export type TransactionSteps<T> = Generator<TransactionStep, T, StatementResult>;

/** The steps themselves threw, not the database. `cause` is what they threw. */
export class StepsAbortedError extends ExecutionError {}

/** The next step, or the result of all. @throws StepsAbortedError with what the steps threw. */
export function nextStep<T>(
  steps: TransactionSteps<T>,
  result: StatementResult,
): IteratorResult<TransactionStep, T> {
  try {
    return steps.next(result);
  } catch (cause) {
    throw new StepsAbortedError('', { cause });
  }
}
