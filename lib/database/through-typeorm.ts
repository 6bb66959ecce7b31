import type { DataSource, QueryRunner } from 'typeorm';

import { answerOf, type Answer } from './answer.js';
import type { HeldConnection, Said } from './held-connection.js';
import type { Statement } from './statement.js';

/** TypeORM's query runner, which tells loggers and subscribers of what is said. */
export class ThroughTypeorm implements HeldConnection {
  readonly sendsTogether = false;

  private constructor(
    readonly runner: QueryRunner,
    readonly raw: unknown,
    readonly isPrepared: boolean,
  ) {}

  /** @param isNamed whether statements are said by their names: `pg` takes an object for that. */
  static async hold(dataSource: DataSource, isNamed: boolean): Promise<ThroughTypeorm> {
    // `master`: a replica may not have the row yet, and decides nothing.
    const runner = dataSource.createQueryRunner('master');
    try {
      return new ThroughTypeorm(runner, await runner.connect(), isNamed);
    } catch (error) {
      await runner.release();
      throw error;
    }
  }

  async send(said: readonly Said[]): Promise<Answer> {
    const [{ statement, values }] = said as [Said];
    const query = this.isPrepared ? namedQuery(statement) : statement.text;
    return answerOf(await this.runner.query(query, values, true));
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
