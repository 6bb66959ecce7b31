import type { DataSource, EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm';

interface Waiting {
  readonly depth: number;
  readonly callback: () => void;
}

/**
 * Calls back when the transaction of a manager has committed, and never when it, or the savepoint around it, is undone.
 * TypeORM's savepoints, that is: a `ROLLBACK TO` of one's own is seen by nobody.
 */
export class AfterCommit {
  readonly #waiting = new WeakMap<QueryRunner, Waiting[]>();
  readonly #subscriber: EntitySubscriberInterface = {
    beforeTransactionCommit: ({ queryRunner }) => this.#committing(queryRunner),
    afterTransactionCommit: ({ queryRunner }) => this.#committed(queryRunner),
    afterTransactionRollback: ({ queryRunner }) => this.#undone(queryRunner),
  };

  constructor(private readonly dataSource: DataSource) {}

  /** At once without a manager. */
  run(manager: EntityManager | undefined, callback: () => void): void {
    const runner = manager?.queryRunner;
    if (!runner) {
      callback();
      return;
    }
    // First when it is needed: a data source with subscribers asks them about everything. One that was closed and opened
    // again has lost them.
    const { subscribers } = this.dataSource;
    if (!subscribers.includes(this.#subscriber)) subscribers.push(this.#subscriber);
    const waiting = this.#waiting.get(runner) ?? [];
    waiting.push({ depth: depthOf(runner), callback });
    this.#waiting.set(runner, waiting);
  }

  /** PostgreSQL takes the COMMIT of a transaction with a failed statement, and undoes it. */
  async #committing(runner: QueryRunner): Promise<void> {
    // Of a savepoint that failed only its own are undone, and `afterTransactionRollback` tells.
    if (depthOf(runner) > 1 || !this.#waiting.has(runner)) return;
    const connection = (await runner.connect()) as { getTransactionStatus?: () => string | null };
    if ((connection.getTransactionStatus?.() ?? 'T') !== 'T') this.#waiting.delete(runner);
  }

  #committed(runner: QueryRunner): void {
    const depth = depthOf(runner);
    const waiting = this.#waiting.get(runner);
    if (waiting === undefined) return;
    if (runner.isTransactionActive) {
      // A savepoint was released: it is now as lasting as what is around it.
      this.#waiting.set(
        runner,
        waiting.map((each) => ({ ...each, depth: Math.min(each.depth, depth) })),
      );
      return;
    }
    this.#waiting.delete(runner);
    for (const { callback } of waiting) callback();
  }

  #undone(runner: QueryRunner): void {
    const depth = runner.isTransactionActive ? depthOf(runner) : 0;
    const waiting = this.#waiting.get(runner)?.filter((each) => each.depth <= depth) ?? [];
    if (waiting.length > 0) this.#waiting.set(runner, waiting);
    else this.#waiting.delete(runner);
  }
}

/** How many transactions and savepoints are open; TypeORM keeps it to itself. */
function depthOf(runner: QueryRunner): number {
  return (runner as { transactionDepth?: number }).transactionDepth ?? 0;
}
