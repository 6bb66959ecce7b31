import type { DataSource, EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm';

interface Waiting {
  readonly depth: number;
  readonly callback: () => void;
}

/** Calls back when the transaction of a manager has committed, and never when it, or the savepoint around it, is undone. */
export class AfterCommit {
  readonly #waiting = new WeakMap<QueryRunner, Waiting[]>();
  #isListening = false;

  constructor(private readonly dataSource: DataSource) {}

  /** At once without a manager. */
  run(manager: EntityManager | undefined, callback: () => void): void {
    const runner = manager?.queryRunner;
    if (!runner) {
      callback();
      return;
    }
    this.#listen();
    const waiting = this.#waiting.get(runner) ?? [];
    waiting.push({ depth: depthOf(runner), callback });
    this.#waiting.set(runner, waiting);
  }

  /** First when it is needed: a data source with subscribers asks them about everything. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const subscriber: EntitySubscriberInterface = {
      afterTransactionCommit: ({ queryRunner }) => this.#committed(queryRunner),
      afterTransactionRollback: ({ queryRunner }) => this.#undone(queryRunner),
    };
    this.dataSource.subscribers.push(subscriber);
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
    this.#waiting.set(runner, waiting);
  }
}

/** How many transactions and savepoints are open; TypeORM keeps it to itself. */
function depthOf(runner: QueryRunner): number {
  return (runner as { transactionDepth?: number }).transactionDepth ?? 0;
}
