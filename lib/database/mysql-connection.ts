import { leftTransactionOpen, type Answer, type StatementResult } from './answer.js';
import type { HeldConnection } from './held-connection.js';
import type { SqlValue, Statement } from './statement.js';

type Said = StatementResult['rows'] | { readonly affectedRows: number };
type Say = (
  sql: string,
  values: SqlValue[],
  answered: (error: Error | null, said: Said) => void,
) => void;

/** What is used of a connection of `mysql2`. */
export interface MysqlClient {
  readonly query: Say;
  /** As a prepared statement. */
  readonly execute: Say;
  release(): void;
}

export class MysqlConnection implements HeldConnection {
  constructor(readonly raw: MysqlClient) {}

  send({ text, isPreparable }: Statement, values: SqlValue[]): Promise<Answer> {
    return this.#say(isPreparable ? 'execute' : 'query', text, values);
  }

  rollBack(): Promise<unknown> {
    return this.#say('query', 'ROLLBACK', []);
  }

  release(): void {
    this.raw.release();
  }

  #say(how: 'execute' | 'query', text: string, values: SqlValue[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.raw[how](text, values, (error, said) => {
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
