import type { DataSource, QueryRunner } from 'typeorm';

import { resultFromTypeOrm, type ExecutedStatement } from './statement-result.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import type { Statement } from '../statement.js';

/** TypeORM's query runner, which tells loggers and subscribers of what is said. */
export class TypeOrmConnection implements ConnectionLease {
  readonly sendsTogether = false;

  private constructor(
    readonly runner: QueryRunner,
    readonly raw: unknown,
    readonly isPrepared: boolean,
  ) {}

  /** @param isNamed whether statements are said by their names: `pg` takes an object for that. */
  static async hold(dataSource: DataSource, isNamed: boolean): Promise<TypeOrmConnection> {
    // `master`: a replica may not have the row yet, and decides nothing.
    const runner = dataSource.createQueryRunner('master');
    try {
      return new TypeOrmConnection(runner, await runner.connect(), isNamed);
    } catch (error) {
      await runner.release();
      throw error;
    }
  }

  async send(said: readonly BoundStatement[]): Promise<ExecutedStatement> {
    const [{ statement, values }] = said as [BoundStatement];
    const query = this.isPrepared ? namedQuery(statement) : statement.text;
    return resultFromTypeOrm(await this.runner.query(query, values, true));
  }

  rollBack(): Promise<unknown> {
    return this.runner.query('ROLLBACK');
  }

  release(): Promise<void> {
    return this.runner.release();
  }
}

/** TypeORM passes it on, and logs it as text. */
function namedQuery({ name, text }: Statement): string {
  const query = { name, text, toString: (): string => text };
  return query as unknown as string;
}
