import { abandonConnection } from '../drivers/abandon-connection.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import { executeNow, executeTransactionCommand } from '../drivers/sqlite-transaction.js';
import { NO_ROWS_AFFECTED, type StatementResult } from '../drivers/statement-result.js';
import { noteIdle, sentBytesOf, transactionStateOf } from '../drivers/transaction-state.js';
import type { SqlValue, Statement } from '../statement.js';
import { boundStatement } from './bound-statement.js';
import { databaseTimeoutError, type Deadline } from './deadline.js';
import { nextStep, type TransactionSteps } from './transaction-steps.js';

/** Executes the steps in a transaction on a leased connection of a server. */
export async function runOnServer<T>(
  lease: ConnectionLease,
  steps: TransactionSteps<T>,
  deadline: Deadline,
): Promise<T> {
  const work = async (): Promise<T> => {
    let result: StatementResult = NO_ROWS_AFFECTED;
    for (;;) {
      const step = nextStep(steps, result);
      if (step.done) return step.value;
      // The caller has been refused, and must not learn of an effect by chance.
      if (deadline.expired) throw databaseTimeoutError();
      const { statement, values } = step.value;
      result = await lease.execute([boundStatement(statement, () => values)]);
    }
  };
  return runInTransaction(lease, deadline, work, (progress) => {
    if (progress === 'committing') deadline.noteCommitIssued();
  });
}

/** How far a transaction of our own has come. */
export type Progress = 'beginning' | 'working' | 'committing';

/**
 * Executes `work` in a transaction on a leased connection of a server, and rolls it back where `work` throws or comes too late.
 *
 * A transaction that an application has left open on the connection is rolled back first: BEGIN would commit it on MySQL and MariaDB,
 * with all that a handler wrote before it threw, and would become a part of it on PostgreSQL. Where nothing tells whether there is one,
 * only MySQL and MariaDB get the ROLLBACK: PGlite has one session for all, which may be in a transaction that its owner still uses.
 *
 * @param onProgress called before the first statement of each part.
 */
export async function runInTransaction<T>(
  lease: ConnectionLease,
  deadline: Deadline,
  work: () => Promise<T>,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<T> {
  const sentBefore = sentBytesOf(lease.raw);
  onProgress('beginning');
  const state = transactionStateOf(lease.raw);
  const mayBeLeftOver = state === 'untold' ? lease.beginCommitsImplicitly : state !== 'idle';
  if (mayBeLeftOver) await lease.rollBack();
  await lease.begin();
  try {
    onProgress('working');
    const outcome = await work();
    if (deadline.expired) throw databaseTimeoutError();
    onProgress('committing');
    await lease.commit();
    noteIdle(lease.raw, sentBefore);
    return outcome;
  } catch (error) {
    // Fails on a connection that was abandoned. The server rolls back by itself then.
    if (!deadline.timedOutOnServer) await rollBackOrAbandon(lease, sentBefore);
    throw error;
  }
}

/**
 * A rollback that fails must not hide the error for which it was sent. The server rolls back when the connection is closed, which
 * the pool must not hand out in the middle of a transaction.
 */
async function rollBackOrAbandon(lease: ConnectionLease, sentBefore: number): Promise<void> {
  try {
    await lease.rollBack();
    noteIdle(lease.raw, sentBefore);
  } catch {
    abandonConnection(lease.raw);
  }
}

/** Executes the steps on the only connection of SQLite, within one tick. */
export function runOnSqlite<T>(
  raw: unknown,
  steps: TransactionSteps<T>,
  log: (statement: Statement, values: SqlValue[]) => void,
): T {
  executeTransactionCommand(raw, 'BEGIN IMMEDIATE');
  try {
    let result: StatementResult = NO_ROWS_AFFECTED;
    for (;;) {
      const step = nextStep(steps, result);
      if (step.done) {
        executeTransactionCommand(raw, 'COMMIT');
        return step.value;
      }
      const { statement, values } = step.value;
      const bound = boundStatement(statement, () => values);
      log(statement, bound.values);
      result = executeNow(raw, bound);
    }
  } catch (error) {
    rollBackNow(raw);
    throw error;
  }
}

/** SQLite ends the transaction by itself after some errors, such as a full disk. A rollback would then hide that error by its own. */
function rollBackNow(raw: unknown): void {
  try {
    executeTransactionCommand(raw, 'ROLLBACK');
  } catch {
    // The error for which it was sent is thrown by the caller.
  }
}
