import type { QueryRunner } from 'typeorm';

import { answerOf, leftTransactionOpen, type Answer, type StatementResult } from './answer.js';
import type { Engine } from './engine.js';
import type { SqlValue, Statement } from './statement.js';

/** What is used of a connection of `pg`. */
interface PgConnection {
  query(config: {
    readonly name: string;
    readonly text: string;
    readonly values: SqlValue[];
  }): Promise<{ readonly rows: StatementResult['rows']; readonly rowCount: number | null }>;
}

/** Of one of `mysql2`. */
interface MysqlConnection {
  execute?(
    sql: string,
    values: SqlValue[],
    callback: (error: Error | null, result: MysqlResult) => void,
  ): void;
}

type MysqlResult = StatementResult['rows'] | { readonly affectedRows: number };

/**
 * As a prepared statement, through TypeORM, which tells of it as of any other; `null` where that cannot be.
 *
 * `pg` takes an object with a name, which TypeORM passes on, and logs as text.
 */
export function queryPrepared(
  engine: Engine,
  runner: QueryRunner,
  { name, text }: Statement,
  parameters: SqlValue[],
): Promise<Answer> | null {
  if (engine !== 'postgres') return null;
  const query = { name, text, toString: (): string => text };
  return runner.query(query as unknown as string, parameters, true).then(answerOf);
}

/**
 * As a prepared statement, to the driver itself: what TypeORM adds to a statement of which it tells nobody is worth a tenth
 * of it. `null` where that cannot be.
 */
export function sendPrepared(
  engine: Engine,
  connection: unknown,
  statement: Statement,
  parameters: SqlValue[],
): Promise<Answer> | null {
  if (engine === 'postgres') return sendNamed(connection as PgConnection, statement, parameters);
  return engine === 'mysql' && statement.isPreparable
    ? execute(connection as MysqlConnection, statement, parameters)
    : null;
}

async function sendNamed(
  connection: PgConnection,
  { name, text }: Statement,
  values: SqlValue[],
): Promise<Answer> {
  const { rows, rowCount } = await connection.query({ name, text, values });
  return { rows, affected: rowCount ?? 0, isUncommitted: false };
}

function execute(
  connection: MysqlConnection,
  { text }: Statement,
  values: SqlValue[],
): Promise<Answer> | null {
  // Another driver than `mysql2`.
  if (connection.execute === undefined) return null;
  return new Promise((resolve, reject) => {
    connection.execute!(text, values, (error, result) => {
      if (error) reject(error);
      else resolve(mysqlAnswerOf(result));
    });
  });
}

function mysqlAnswerOf(result: MysqlResult): Answer {
  const isUncommitted = leftTransactionOpen(result);
  return 'affectedRows' in result
    ? { rows: [], affected: result.affectedRows, isUncommitted }
    : { rows: result, affected: 0, isUncommitted };
}
