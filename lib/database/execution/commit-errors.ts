import type { QueryRunner } from 'typeorm';

import { isCommitRefused, translateDatabaseError } from '../database-error.js';

const watched = new WeakSet<QueryRunner>();

/**
 * Makes a race that the caller's transaction loses at its COMMIT the same error as one that a statement loses. Galera certifies
 * a transaction when it commits, and PostgreSQL checks a serializable one then: the statements of this package have succeeded,
 * and without this a guarded route would answer 500 instead of a conflict. All other errors of a COMMIT are the caller's.
 */
export function translateCommitErrors(runner: QueryRunner): void {
  if (watched.has(runner)) return;
  watched.add(runner);
  // Called with the runner as `this` below.
  // oxlint-disable-next-line typescript/unbound-method
  const { commitTransaction: commit, rollbackTransaction: rollBack } = runner;
  // A savepoint that ends leaves the transaction open. A later transaction of the same runner may be none of ours.
  const restore = (): void => {
    if (runner.isTransactionActive) return;
    watched.delete(runner);
    if (runner.commitTransaction === commitTranslated) runner.commitTransaction = commit;
    if (runner.rollbackTransaction === rollBackAndRestore) runner.rollbackTransaction = rollBack;
  };
  const commitTranslated = async (): Promise<void> => {
    try {
      await commit.call(runner);
    } catch (error) {
      throw isCommitRefused(error) ? translateDatabaseError(error, true) : error;
    } finally {
      restore();
    }
  };
  const rollBackAndRestore = async (): Promise<void> => {
    try {
      await rollBack.call(runner);
    } finally {
      restore();
    }
  };
  runner.commitTransaction = commitTranslated;
  runner.rollbackTransaction = rollBackAndRestore;
}
