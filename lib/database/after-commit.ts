import type { DataSource, EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm';

import { pgStatusOf, pgStatusOnceAnswered } from './drivers/transaction-state.js';

interface PendingCallback {
  /** The number of transactions and savepoints around the call. */
  readonly depth: number;
  readonly callback: () => void;
}

/**
 * Calls back when the transaction of a manager has committed, and never when the transaction, or a savepoint around the call,
 * is rolled back. It follows the savepoints of TypeORM: a plain `ROLLBACK TO` of the application remains unnoticed.
 */
export class AfterCommit {
  readonly #pending = new WeakMap<QueryRunner, PendingCallback[]>();
  readonly #subscriber: EntitySubscriberInterface = {
    beforeTransactionCommit: ({ queryRunner }) => this.#onCommitting(queryRunner),
    afterTransactionCommit: ({ queryRunner }) => this.#onCommitted(queryRunner),
    afterTransactionRollback: ({ queryRunner }) => this.#onRollback(queryRunner),
  };

  constructor(private readonly dataSource: DataSource) {}

  /** Calls `callback` after the commit of the transaction of `manager`, and without a manager immediately. */
  run(manager: EntityManager | undefined, callback: () => void): void {
    const runner = manager?.queryRunner;
    if (!runner) {
      callback();
      return;
    }
    // Subscribed on first use, because TypeORM informs a subscriber of every operation. Checked on every use, because a data
    // source that was destroyed and initialized again has lost its subscribers.
    const { subscribers } = this.dataSource;
    if (!subscribers.includes(this.#subscriber)) subscribers.push(this.#subscriber);
    // A client of an old `pg` is listened to from now on, so that a statement that fails later is noticed at the commit.
    void runner.connect().then(pgStatusOf, () => undefined);
    const pending = this.#pending.get(runner) ?? [];
    pending.push({ depth: depthOf(runner), callback });
    this.#pending.set(runner, pending);
  }

  /** PostgreSQL accepts the COMMIT of a transaction with a failed statement, and rolls it back without an error. */
  async #onCommitting(runner: QueryRunner): Promise<void> {
    // A savepoint that failed is rolled back on its own, and reported by `afterTransactionRollback`.
    if (depthOf(runner) > 1 || !this.#pending.has(runner)) return;
    const status = await pgStatusOnceAnswered(await runner.connect());
    if ((status ?? 'T') !== 'T') this.#pending.delete(runner);
  }

  #onCommitted(runner: QueryRunner): void {
    const depth = depthOf(runner);
    const pending = this.#pending.get(runner);
    if (pending === undefined) return;
    if (runner.isTransactionActive) {
      // A savepoint was released. Its effects now depend on the transaction, or on the savepoint, around it.
      this.#pending.set(
        runner,
        pending.map((each) => ({ ...each, depth: Math.min(each.depth, depth) })),
      );
      return;
    }
    this.#pending.delete(runner);
    for (const { callback } of pending) callback();
  }

  #onRollback(runner: QueryRunner): void {
    const depth = runner.isTransactionActive ? depthOf(runner) : 0;
    const pending = this.#pending.get(runner)?.filter((each) => each.depth <= depth) ?? [];
    if (pending.length > 0) this.#pending.set(runner, pending);
    else this.#pending.delete(runner);
  }
}

/** The number of open transactions and savepoints, in a private member of TypeORM. */
function depthOf(runner: QueryRunner): number {
  return (runner as { transactionDepth?: number }).transactionDepth ?? 0;
}
