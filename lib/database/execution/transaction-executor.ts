import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import { TwoFactorCallError } from '../../errors/index.js';
import { dataSourceOf } from '../data-source-of.js';
import { isDuplicateKey, translateDatabaseError } from '../database-error.js';
import { translateCommitErrors } from './commit-errors.js';
import {
  NO_ROWS_AFFECTED,
  resultFromTypeOrm,
  type StatementResult,
} from '../drivers/statement-result.js';
import { bindValues, type SqlValues, type Statement } from '../statement.js';
import { SqliteTurns } from './sqlite-turns.js';
import type { TransactionSteps } from './transaction-steps.js';

/** Executes statements inside the transaction of a caller, without a deadline and without a retry: both are the caller's. */
export class TransactionExecutor {
  constructor(private readonly dataSource: DataSource) {}

  async run(
    statement: Statement,
    values: () => SqlValues,
    manager: EntityManager,
  ): Promise<StatementResult> {
    const runner = this.#runnerOf(manager);
    // Outside of `try`: an error of a caller's values or clock must not be reported as a failure of the database.
    const bound = bindValues(statement, values());
    translateCommitErrors(runner);
    try {
      return resultFromTypeOrm(await runner.query(statement.text, bound, true));
    } catch (error) {
      if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
      throw translateDatabaseError(error, true);
    }
  }

  /** Executes the steps as a part of the transaction. What they throw leaves it as it is, and its owner decides. */
  async runSteps<T>(steps: TransactionSteps<T>, manager: EntityManager): Promise<T> {
    const runner = this.#runnerOf(manager);
    translateCommitErrors(runner);
    let step = steps.next(NO_ROWS_AFFECTED);
    while (!step.done) {
      const { statement, values } = step.value;
      const bound = bindValues(statement, values);
      let result: StatementResult;
      try {
        result = resultFromTypeOrm(await runner.query(statement.text, bound, true));
      } catch (error) {
        throw translateDatabaseError(error, true);
      }
      step = steps.next(result);
    }
    return step.value;
  }

  /** @throws TwoFactorCallError for a manager without a transaction: its statement would be committed at once. */
  #runnerOf(manager: EntityManager): QueryRunner {
    const runner = (manager as EntityManager | null)?.queryRunner;
    if (!runner?.isTransactionActive || SqliteTurns.hasEnded(manager)) {
      throw new TwoFactorCallError(
        'The manager is in no transaction. Pass the one that dataSource.transaction() hands to its callback.',
      );
    }
    // The drivers, because a data source behind a Proxy is another object than the one that a manager knows. An object that only
    // resembles a manager has no data source at all.
    if ((dataSourceOf(manager) as DataSource | undefined)?.driver !== this.dataSource.driver) {
      throw new TwoFactorCallError(
        'The manager belongs to another data source than the confirmations. Set the extra dataSource, or leave manager out.',
      );
    }
    return runner;
  }
}
