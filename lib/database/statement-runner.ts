import type { DataSource, EntityManager } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { BatchDispatcher } from './batching/batch-dispatcher.js';
import type { BatchSpec } from './batching/batch-spec.js';
import { CallBatcher, type CallKind } from './batching/call-batcher.js';
import type { Batchable } from './batching/coalescing-queue.js';
import { Capabilities } from './capabilities.js';
import type { StatementResult } from './drivers/statement-result.js';
import { engineOf, type Engine } from './engine.js';
import { driverIfDatabaseMayChange } from './data-source-of.js';
import { databaseTimeoutError, Deadline, Deadlines } from './execution/deadline.js';
import { KeyedMutex } from './execution/keyed-mutex.js';
import {
  OwnConnectionExecutor,
  type OwnConnectionOptions,
} from './execution/own-connection-executor.js';
import { TransactionExecutor } from './execution/transaction-executor.js';
import type { TransactionSteps } from './execution/transaction-steps.js';
import type { SqlValues, Statement } from './statement.js';

export interface StatementRunnerOptions extends OwnConnectionOptions {
  /** How many concurrent calls one batch takes at most; 1 to switch batching off. */
  readonly maxBatchSize: number;
}

/** Executes a call together with others: see `StatementRunner.batcher`. */
export type BatchedCalls<Call, Answer> = (
  call: Call,
  outer?: Deadline,
  exclusive?: string,
) => Promise<Answer>;

/**
 * Executes the statements of the stores: on a connection of the pool within a deadline, or inside the transaction of a
 * caller. It is the only entry to a database.
 */
export class StatementRunner {
  readonly engine: Engine;
  readonly capabilities: Capabilities;
  readonly #deadlines: Deadlines;
  readonly #mutex = new KeyedMutex();
  readonly #ownConnection: OwnConnectionExecutor;
  readonly #transaction: TransactionExecutor;
  readonly #batches: BatchDispatcher;
  /** `null` for a data source that leads to one database for ever. */
  readonly #driverAtBoot: DataSource['driver'] | null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: StatementRunnerOptions,
  ) {
    this.#driverAtBoot = driverIfDatabaseMayChange(dataSource);
    this.engine = engineOf(dataSource);
    this.capabilities = Capabilities.forDataSource(dataSource);
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#transaction = new TransactionExecutor(dataSource);
    this.#ownConnection = new OwnConnectionExecutor(dataSource, this.capabilities, options);
    const { maxBatchSize } = options;
    this.#batches = new BatchDispatcher(this.#ownConnection, this.capabilities, maxBatchSize);
  }

  /**
   * In a transaction of the caller: part of it, and never retried. Otherwise: committed when it returns, retried when it lost
   * a race, refused after `databaseTimeoutMs`. A row whose id is taken is not inserted, and 0 rows are affected then.
   *
   * @param scope the manager of the caller's transaction, or the deadline of `within` that the statement is part of.
   * @param values called when the statement is issued, so that a time in the values is the time of the statement.
   * @param batch how the call may be batched with others; not inside a transaction.
   */
  run(
    statement: Statement,
    values: () => SqlValues,
    scope?: EntityManager | Deadline,
    batch?: BatchSpec | null,
  ): Promise<StatementResult> {
    if (this.#leadsElsewhere) return Promise.reject(dataSourceSwitchedError());
    if (scope !== undefined && !(scope instanceof Deadline)) {
      return this.#transaction.run(statement, values, scope);
    }
    return this.#deadlines.run(
      (deadline) => this.#runOrEnqueue(statement, values, deadline, batch),
      scope,
    );
  }

  /**
   * Executes several statements in one transaction: in that of the caller, or in one of its own that is committed when this
   * returns, and repeated from its start when it lost a race.
   *
   * @throws what the steps throw; a transaction of its own is rolled back then.
   */
  transaction<T>(steps: () => TransactionSteps<T>, scope?: EntityManager | Deadline): Promise<T> {
    if (this.#leadsElsewhere) return Promise.reject(dataSourceSwitchedError());
    if (scope !== undefined && !(scope instanceof Deadline)) {
      return this.#transaction.runSteps(steps(), scope);
    }
    return this.#deadlines.run(
      (deadline) => this.#ownConnection.transaction(steps, deadline),
      scope,
    );
  }

  /**
   * As `run` without a manager, after the earlier calls with the same key: they would wait for the same row lock.
   *
   * @param outer the deadline of `within` that the statement is part of.
   */
  runExclusive(
    key: string,
    statement: Statement,
    values: () => SqlValues,
    batch?: BatchSpec | null,
    outer?: Deadline,
  ): Promise<StatementResult> {
    if (this.#leadsElsewhere) return Promise.reject(dataSourceSwitchedError());
    return this.#deadlines.run(
      (deadline) =>
        this.#mutex.run(
          key,
          () => this.#runOrEnqueue(statement, values, deadline, batch),
          deadline,
        ),
      outer,
    );
  }

  /** Whether the option `batching` is on. */
  get isBatching(): boolean {
    return this.options.maxBatchSize > 1;
  }

  /**
   * A function that executes calls of one kind, together with others where they come at once. Each call is committed when it
   * returns, as by `run`. `outer` is the deadline of `within` that the call is part of; calls with the same key in `exclusive` run
   * one after the other. `null` where the option `batching` is off.
   */
  batcher<Call extends Batchable, Answer>(
    kind: CallKind<Call, Answer>,
  ): BatchedCalls<Call, Answer> | null {
    const { maxBatchSize } = this.options;
    if (!this.isBatching) return null;
    const batcher = new CallBatcher(this.#ownConnection, this.capabilities, maxBatchSize, kind);
    return (call, outer, exclusive) => {
      if (this.#leadsElsewhere) return Promise.reject(dataSourceSwitchedError());
      return this.#deadlines.run(
        (deadline) =>
          exclusive === undefined
            ? batcher.run(call, deadline)
            : this.#mutex.run(exclusive, () => batcher.run(call, deadline), deadline),
        outer,
      );
    };
  }

  /**
   * Runs several statements of one call within the time that one of them may take. Otherwise each would wait anew, and a
   * slow database would keep the caller several times as long. `work` passes the deadline to each statement, and reads
   * `expired` before each step, so that nothing is done for a caller that has been refused.
   */
  within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return this.#deadlines.run(work);
  }

  /**
   * Runs `work` after earlier work with the same key. The wait has a deadline, the work has none.
   *
   * @param outer the deadline of `within` that the wait is part of.
   */
  async serialize<T>(key: string, work: () => Promise<T>, outer?: Deadline): Promise<T> {
    let begin: (() => void) | undefined;
    const begins = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let isLate = false;
    const done = this.#mutex.run(key, async () => {
      if (isLate) throw databaseTimeoutError();
      begin?.();
      return work();
    });
    try {
      await this.#deadlines.run(() => begins, outer);
    } catch (error) {
      isLate = true;
      done.catch(() => undefined);
      throw error;
    }
    return done;
  }

  get #leadsElsewhere(): boolean {
    return this.#driverAtBoot !== null && this.dataSource.driver !== this.#driverAtBoot;
  }

  #runOrEnqueue(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
    batch: BatchSpec | null | undefined,
  ): Promise<StatementResult> {
    if (!batch || !this.#batches.isEnabled) {
      return this.#ownConnection.run(statement, values, deadline);
    }
    return this.#batches.enqueue(statement, values, deadline, batch);
  }
}

function dataSourceSwitchedError(): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    'The data source leads to another database than when the application started, as one that is chosen for each request ' +
      'or tenant does. Calls of several tenants would share a batch. Import TwoFactorModule once for each database, with ' +
      'isGlobal: false and the extra dataSource, or keep the confirmations of all tenants in one database.',
  );
}
