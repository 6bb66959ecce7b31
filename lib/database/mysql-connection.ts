import { leftTransactionOpen, type Answer, type StatementResult } from './answer.js';
import type { HeldConnection, Said } from './held-connection.js';
import type { SqlValue } from './statement.js';

type Told = StatementResult['rows'] | { readonly affectedRows: number };
type Say = (
  statement: { readonly sql: string; readonly typeCast?: typeof asItIs },
  values: SqlValue[],
  answered: (error: Error | null, told: Told) => void,
) => void;

/** What is used of a connection of `mysql2`, or of `mysql`. */
export interface MysqlClient {
  readonly config?: { readonly typeCast?: unknown };
  readonly query: Say;
  /** As a prepared statement; `mysql` has none. */
  readonly execute?: Say;
  release(): void;
}

/**
 * In place of an application's own cast, which reads what a prepared statement answers as if it were text; where there is
 * none, a cast of any kind would have `mysql2` make an object for each value.
 */
function asItIs(_field: unknown, next: () => unknown): unknown {
  return next();
}

export class MysqlConnection implements HeldConnection {
  readonly isPrepared = true;
  readonly sendsTogether = false;

  constructor(readonly raw: MysqlClient) {}

  send(said: readonly Said[]): Promise<Answer> {
    const [{ statement, values }] = said as [Said];
    const { text, isPreparable } = statement;
    const isPrepared = isPreparable && this.raw.execute !== undefined;
    return this.#say(isPrepared ? 'execute' : 'query', text, values);
  }

  rollBack(): Promise<unknown> {
    return this.#say('query', 'ROLLBACK', []);
  }

  release(): void {
    this.raw.release();
  }

  #say(how: 'execute' | 'query', sql: string, values: SqlValue[]): Promise<Answer> {
    const isCast = typeof this.raw.config?.typeCast === 'function';
    return new Promise((resolve, reject) => {
      this.raw[how]!(isCast ? { sql, typeCast: asItIs } : { sql }, values, (error, told) => {
        if (error) reject(error);
        else resolve(answerOf(told));
      });
    });
  }
}

function answerOf(told: Told): Answer {
  const isUncommitted = leftTransactionOpen(told);
  return 'affectedRows' in told
    ? { rows: [], affected: told.affectedRows, isUncommitted }
    : { rows: told, affected: 0, isUncommitted };
}
