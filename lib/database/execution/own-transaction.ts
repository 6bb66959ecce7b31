import type { ConnectionLease } from '../drivers/connection-lease.js';
import { bracketNow, executeNow } from '../drivers/sqlite-transaction.js';
import { NO_ROWS_AFFECTED, type StatementResult } from '../drivers/statement-result.js';
import { bindValues, type SqlValue, type Statement } from '../statement.js';
import { databaseTimeoutError, type Deadline } from './deadline.js';
import { nextStep, type TransactionSteps } from './transaction-steps.js';

/** Executes the steps in a transaction on a leased connection of a server. */
export async function runOnServer<T>(
  lease: ConnectionLease,
  steps: TransactionSteps<T>,
  deadline: Deadline,
): Promise<T> {
  return bracket(lease, deadline, async () => {
    let result: StatementResult = NO_ROWS_AFFECTED;
    for (;;) {
      const step = nextStep(steps, result);
      if (step.done) return step.value;
      // The caller has been refused, and must not learn of an effect by chance.
      if (deadline.expired) throw databaseTimeoutError();
      const { statement, values } = step.value;
      result = await lease.execute([{ statement, values: bindValues(statement, values) }]);
    }
  });
}

/** Executes `work` in a transaction on a leased connection of a server, and rolls it back where `work` throws or comes too late. */
export async function bracket<T>(
  lease: ConnectionLease,
  deadline: Deadline,
  work: () => Promise<T>,
): Promise<T> {
  await lease.begin();
  try {
    const outcome = await work();
    if (deadline.expired) throw databaseTimeoutError();
    await lease.commit();
    return outcome;
  } catch (error) {
    // Fails on a connection that was abandoned. The server rolls back by itself then.
    if (!deadline.timedOutOnServer) await lease.rollBack();
    throw error;
  }
}

/** Executes the steps on the only connection of SQLite, within one tick. */
export function runOnSqlite<T>(
  raw: unknown,
  steps: TransactionSteps<T>,
  log: (statement: Statement, values: SqlValue[]) => void,
): T {
  bracketNow(raw, 'BEGIN IMMEDIATE');
  try {
    let result: StatementResult = NO_ROWS_AFFECTED;
    for (;;) {
      const step = nextStep(steps, result);
      if (step.done) {
        bracketNow(raw, 'COMMIT');
        return step.value;
      }
      const { statement } = step.value;
      const values = bindValues(statement, step.value.values);
      log(statement, values);
      result = executeNow(raw, { statement, values });
    }
  } catch (error) {
    bracketNow(raw, 'ROLLBACK');
    throw error;
  }
}
