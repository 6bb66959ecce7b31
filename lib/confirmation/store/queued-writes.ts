import type { EntityManager } from 'typeorm';

import {
  isTranslatedDuplicateKey,
  type Deadline,
  type SqlValues,
  type Statement,
  type StatementResult,
  type StatementRunner,
  type TransactionSteps,
} from '../../database/index.js';
import { queuedValues, type QueuedMessage } from './dialects/queue-clauses.js';
import type { QueuedStatements } from './dialects/statements.js';
import type { NewConfirmation } from './row-mapping.js';

/** What the write of a confirmation did, when another one has its id already. */
const NOT_INSERTED: StatementResult = { rows: [], affected: 0, insertId: 0 };

/**
 * Writes a confirmation and the row of its message in the queue: both, or neither. PostgreSQL does it in one statement, and the
 * other engines in a short transaction.
 */
export class QueuedWrites {
  constructor(
    private readonly runner: StatementRunner,
    private readonly statements: QueuedStatements,
    /** Inserts the confirmations of a batch with their messages; absent where nothing is batched. */
    private readonly batchStatement: Statement | undefined,
  ) {}

  /** 0 rows are affected when the id is taken. */
  async insert(
    row: NewConfirmation,
    queued: QueuedMessage,
    isNew: boolean,
    scope?: EntityManager | Deadline,
  ): Promise<StatementResult> {
    const { insert, insertUnlessTaken } = this.statements;
    const given = { ...row, ...queuedValues(queued) };
    const values = (): SqlValues => given;
    const { batchStatement } = this;
    try {
      const statement = isNew ? insert : insertUnlessTaken;
      if (isNew && batchStatement !== undefined) {
        const batch = { batchStatement, keys: [row.id], values };
        return await this.runner.run(statement, values, scope, batch);
      }
      return await this.#write(statement, isNew ? 'first' : 'firstOnce', values, scope);
    } catch (error) {
      if (isTranslatedDuplicateKey(error)) return NOT_INSERTED;
      throw error;
    }
  }

  /** 0 rows are affected when the message is not to be sent, or another one was faster. */
  async recordMessage(
    id: string,
    values: () => SqlValues,
    deadline?: Deadline,
  ): Promise<StatementResult> {
    const { bind, second } = this.statements;
    if (second === null) return this.runner.runExclusive(id, bind, values, null, deadline);
    // One after the other in this process, so that calls for one confirmation do not each hold a connection.
    return this.runner.serialize(`bind ${id}`, () => this.#write(bind, 'next', values, deadline));
  }

  async #write(
    first: Statement,
    kind: 'first' | 'firstOnce' | 'next',
    values: () => SqlValues,
    scope: EntityManager | Deadline | undefined,
  ): Promise<StatementResult> {
    const { second } = this.statements;
    if (second === null) return this.runner.run(first, values, scope);
    const both = function* (): TransactionSteps<StatementResult> {
      const given = values();
      const result = yield { statement: first, values: given };
      if (result.rows.length > 0 || result.affected > 0) {
        yield { statement: second[kind], values: given };
      }
      return result;
    };
    return this.runner.transaction(both, scope);
  }
}
