import { leftTransactionOpen, type Answer, type StatementResult } from './answer.js';
import type { HeldConnection } from './held-connection.js';
import type { SqlValue, Statement } from './statement.js';

type Said = StatementResult['rows'] | { readonly affectedRows: number };
type Say = (
  statement: { readonly sql: string; readonly typeCast: typeof asItIs },
  values: SqlValue[],
  answered: (error: Error | null, said: Said) => void,
) => void;

/** What is used of a connection of `mysql2`, or of `mysql`. */
export interface MysqlClient {
  readonly query: Say;
  /** As a prepared statement; `mysql` has none. */
  readonly execute?: Say;
  release(): void;
}

/** An application's own cast reads what a prepared statement answers as if it were text. */
function asItIs(_field: unknown, next: () => unknown): unknown {
  return next();
}

export class MysqlConnection implements HeldConnection {
  readonly isPrepared = true;

  constructor(readonly raw: MysqlClient) {}

  send({ text, isPreparable }: Statement, values: SqlValue[]): Promise<Answer> {
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
    return new Promise((resolve, reject) => {
      this.raw[how]!({ sql, typeCast: asItIs }, values, (error, said) => {
        if (error) reject(error);
        else resolve(answerOf(said));
      });
    });
  }
}

function answerOf(said: Said): Answer {
  const isUncommitted = leftTransactionOpen(said);
  return 'affectedRows' in said
    ? { rows: [], affected: said.affectedRows, isUncommitted }
    : { rows: said, affected: 0, isUncommitted };
}
