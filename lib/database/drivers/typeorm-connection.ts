import type { DataSource, QueryRunner } from 'typeorm';

import { dataSourceOf } from '../data-source-of.js';
import { engineOf } from '../engine.js';
import type { Statement } from '../statement.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import { resultFromTypeOrm, type ExecutedStatement } from './statement-result.js';

/** Executes through a query runner of TypeORM, which informs the loggers and the query subscribers of the application. */
export class TypeOrmConnection implements ConnectionLease {
  readonly supportsPipelinedBatch = false;

  private constructor(
    readonly runner: QueryRunner,
    readonly raw: unknown,
    readonly usesPreparedStatements: boolean,
  ) {}

  /** @param usesPreparedStatements only for `pg`, which prepares a query that is an object with a name. */
  static async acquire(
    dataSource: DataSource,
    usesPreparedStatements: boolean,
  ): Promise<TypeOrmConnection> {
    // `master`, because a replica may lag behind: a used confirmation would look unused there.
    const runner = dataSource.createQueryRunner('master');
    try {
      return new TypeOrmConnection(runner, await runner.connect(), usesPreparedStatements);
    } catch (error) {
      await runner.release();
      throw error;
    }
  }

  get beginCommitsImplicitly(): boolean {
    return engineOf(dataSourceOf(this.runner)) === 'mysql';
  }

  async execute(statements: readonly BoundStatement[]): Promise<ExecutedStatement> {
    const [{ statement, values }] = statements as [BoundStatement];
    const query = this.usesPreparedStatements ? namedQuery(statement) : statement.text;
    return resultFromTypeOrm(await this.runner.query(query, values, true));
  }

  begin(): Promise<unknown> {
    return this.runner.query('BEGIN');
  }

  commit(): Promise<unknown> {
    return this.runner.query('COMMIT');
  }

  rollBack(): Promise<unknown> {
    return this.runner.query('ROLLBACK');
  }

  release(): Promise<void> {
    return this.runner.release();
  }
}

/** TypeORM passes the object to `pg` unchanged, and its loggers print it as text by `toString`. */
function namedQuery({ name, text }: Statement): string {
  const query = { name, text, toString: (): string => text };
  return query as unknown as string;
}
