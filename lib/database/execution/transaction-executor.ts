import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import { TwoFactorInputError } from '../../errors/index.js';
import { dataSourceOf } from '../data-source-of.js';
import { isDuplicateKey, translateDatabaseError } from '../database-error.js';
import {
  NO_ROWS_AFFECTED,
  resultFromTypeOrm,
  type StatementResult,
} from '../drivers/statement-result.js';
import { bindValues, type SqlValues, type Statement } from '../statement.js';

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
    try {
      return resultFromTypeOrm(await runner.query(statement.text, bound, true));
    } catch (error) {
      if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
      throw translateDatabaseError(error, true);
    }
  }

  /** @throws TwoFactorInputError for a manager without a transaction: its statement would be committed at once. */
  #runnerOf(manager: EntityManager): QueryRunner {
    const runner = (manager as EntityManager | null)?.queryRunner;
    if (!runner?.isTransactionActive) {
      throw new TwoFactorInputError(
        'The manager is in no transaction. Pass the one that dataSource.transaction() hands to its callback.',
      );
    }
    if (dataSourceOf(manager) !== this.dataSource) {
      throw new TwoFactorInputError(
        'The manager belongs to another data source than the confirmations. Set the extra dataSource, or leave manager out.',
      );
    }
    return runner;
  }
}
