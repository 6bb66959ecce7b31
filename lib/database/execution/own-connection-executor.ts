import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { Capabilities } from '../capabilities.js';
import {
  describeDatabaseError,
  hadNoEffect,
  isDuplicateKey,
  isDriverOwnError,
  isPlanOutdated,
  isPreparedStatementRefused,
  isReadOnly,
  isSerializationFailure,
  translateDatabaseError,
} from '../database-error.js';
import { abandonConnection, isStillExecuting } from '../drivers/abandon-connection.js';
import { acquireDriverConnection } from '../drivers/acquire-driver-connection.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import {
  NO_ROWS_AFFECTED,
  type ExecutedStatement,
  type StatementResult,
} from '../drivers/statement-result.js';
import { noteIdle, sentBytesOf, transactionStateOf } from '../drivers/transaction-state.js';
import { TypeOrmConnection } from '../drivers/typeorm-connection.js';
import { engineOf, type Engine } from '../engine.js';
import { type SqlValues, Statement } from '../statement.js';
import { boundStatement } from './bound-statement.js';
import { databaseTimeoutError, type Deadline } from './deadline.js';
import {
  ExecutionError,
  NotCommittedError,
  openTransactionError,
  UnbindableValuesError,
} from './execution-errors.js';
import { StaleConnections } from './stale-connections.js';
import { runOnServer, runOnSqlite } from './own-transaction.js';
import { SqliteTurns } from './sqlite-turns.js';
import { StepsAbortedError, type TransactionSteps } from './transaction-steps.js';
import { TypeOrmObservers } from './typeorm-observers.js';

export interface OwnConnectionOptions {
  readonly timeoutMs: number;
  readonly preparedStatements: boolean;
  /** How often a statement is executed at most, when each time it loses a race against another transaction. */
  readonly tries: number;
}

/** How long a call waits for the end of a transaction on the only connection of SQLite. */
const OPEN_TRANSACTION_WAIT_MS = 2_000;
const POLL_MS = 5;
const MAX_JITTER_MS = 50;
/** The first try ends a transaction that another caller has left open on the connection. Failures that repeat have another reason. */
const NOT_COMMITTED_TRIES = 3;
/** The size of the pool that `pg` and `mysql2` use without an option. */
const DEFAULT_POOL_SIZE = 10;

/** Executes statements on connections of the pool, each in its own transaction: committed when it returns. */
export class OwnConnectionExecutor {
  readonly #engine: Engine;
  readonly #observers: TypeOrmObservers;
  readonly #stale: StaleConnections;
  readonly #poolSize: number;
  readonly #probe: Statement;
  /** `null` on servers, where each transaction has a connection of its own. */
  readonly #turns: SqliteTurns | null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly capabilities: Capabilities,
    private readonly options: OwnConnectionOptions,
  ) {
    this.#engine = engineOf(dataSource);
    this.#observers = new TypeOrmObservers(dataSource);
    this.#poolSize = poolSizeOf(dataSource);
    this.#stale = new StaleConnections(this.#poolSize);
    this.#probe = new Statement(this.#engine, 'SELECT 1');
    const isSqlite = this.#engine === 'sqlite';
    this.#turns = isSqlite ? SqliteTurns.of(dataSource, options.timeoutMs) : null;
  }

  /** Whether a statement that was refused because its server accepts no writes may find another server when it is repeated. */
  mayFindAnotherServer(error: unknown): boolean {
    return isReadOnly(error) && this.#stale.mayReachAnother;
  }

  /** Whether statements may go to the driver directly: they are prepared, and nothing observes them through TypeORM. */
  get canBypassTypeOrm(): boolean {
    return this.#preparesStatements && !this.#observers.hasLogging;
  }

  /** Executes a statement, and repeats it when it lost a race. An INSERT of an id that is taken affects 0 rows. */
  async run(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
  ): Promise<StatementResult> {
    const execute = (lease: ConnectionLease): Promise<ExecutedStatement> => {
      const bound = boundStatement(statement, values);
      deadline.noteCommitIssued();
      return lease.execute([bound]);
    };
    try {
      return await this.#executeWithRetries(execute, deadline);
    } catch (error) {
      if (error instanceof UnbindableValuesError) throw error.cause;
      if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
      throw translateDatabaseError(error, false);
    }
  }

  /**
   * Executes several statements in one transaction, all of it again when it lost a race, or when another transaction has
   * inserted a unique value meanwhile: the steps then read its row.
   */
  async transaction<T>(steps: () => TransactionSteps<T>, deadline: Deadline): Promise<T> {
    let outcome: T | undefined;
    const execute = async (lease: ConnectionLease): Promise<ExecutedStatement> => {
      outcome =
        this.#engine === 'sqlite'
          ? await this.#runOnSqlite(lease, steps(), deadline)
          : await runOnServer(lease, steps(), deadline);
      return { ...NO_ROWS_AFFECTED, isUncommitted: false };
    };
    try {
      await this.#executeWithRetries(execute, deadline, isDuplicateKey);
    } catch (error) {
      const isOfCaller =
        error instanceof StepsAbortedError || error instanceof UnbindableValuesError;
      throw isOfCaller ? error.cause : translateDatabaseError(error, false);
    }
    return outcome as T;
  }

  async #runOnSqlite<T>(
    lease: ConnectionLease,
    steps: TransactionSteps<T>,
    deadline: Deadline,
  ): Promise<T> {
    const { runner } = lease as TypeOrmConnection;
    const { logger } = this.dataSource;
    const outcome = runOnSqlite(lease.raw, steps, ({ text }, values) => {
      if (this.#observers.hasLogging) logger.logQuery(text, values, runner);
    });
    deadline.noteCommitIssued();
    // TypeORM saves a database of sql.js after each statement of its own, and does not notice the statements that are executed
    // here.
    await (this.dataSource.driver as { autoSave?: () => Promise<void> }).autoSave?.();
    return outcome;
  }

  /** Executes a statement or a transaction, again when it lost a race. @throws the last error of the driver, untranslated. */
  async #executeWithRetries(
    execute: (lease: ConnectionLease) => Promise<ExecutedStatement>,
    deadline: Deadline,
    isLost: (error: unknown) => boolean = () => false,
  ): Promise<StatementResult> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.runOnce(execute, deadline);
      } catch (error) {
        const isNotCommitted = error instanceof NotCommittedError;
        if (isNotCommitted || hadNoEffect(error, this.#engine)) deadline.mayBeCommitted = false;
        if (isNotCommitted && attempt >= NOT_COMMITTED_TRIES) {
          throw new TwoFactorConfigurationError(error.message);
        }
        if (this.mayFindAnotherServer(error) && !deadline.expired) continue;
        const mayRetry = isNotCommitted || isSerializationFailure(error) || isLost(error);
        if (!mayRetry || attempt >= this.options.tries || deadline.expired) {
          throw error;
        }
        // A pause of random length, because two transactions that collided would otherwise collide again.
        await sleep(Math.random() * MAX_JITTER_MS);
      }
    }
  }

  /** @throws the error of the driver, untranslated: the caller decides whether the statement may be repeated. */
  async runOnce(
    execute: (lease: ConnectionLease) => Promise<ExecutedStatement>,
    deadline: Deadline,
    outdatedPlans = 0,
  ): Promise<StatementResult> {
    // The caller has been refused. A statement sent now would take effect without the caller knowing.
    if (deadline.expired) throw databaseTimeoutError();
    const lease = await this.#lease();
    const sentBefore = sentBytesOf(lease.raw);
    const stateBefore = transactionStateOf(lease.raw);
    let mayPrepareAgain = false;
    let reason = '';
    try {
      // Other code has given the connection back with a transaction that it never ended, and our statement would be a part of it. MySQL
      // shows such a transaction only by its answer to our statement (`isUncommitted`, below), where a transaction of our own rolls
      // back first: see `runInTransaction`.
      if (stateBefore === 'open') await this.#abortOnDeadline(deadline, lease.rollBack());
      if (deadline.expired) throw databaseTimeoutError();
      const result = await (this.#turns === null
        ? this.#abortOnDeadline(deadline, execute(lease))
        : this.#executeOnSqlite(this.#turns, lease, execute, deadline));
      // The open transaction may still be rolled back by its owner. To return the result now would report an effect, such
      // as a used confirmation, that may never be.
      if (result.isUncommitted || transactionStateOf(lease.raw) === 'open') {
        await this.#abortOnDeadline(deadline, lease.rollBack());
        throw new NotCommittedError();
      }
      if (stateBefore === 'idle') noteIdle(lease.raw, sentBefore);
      return result;
    } catch (error) {
      if (isReadOnly(error)) this.#stale.recordRefusal();
      // Each open connection may have a plan for the old table. There are no more such connections than places in the pool.
      mayPrepareAgain = isPlanOutdated(error) && outdatedPlans <= this.#poolSize;
      // The server does not answer on this connection, or accepts no writes since a failover. The pool opens another one.
      if (
        mayPrepareAgain ||
        deadline.timedOutOnServer ||
        isReadOnly(error) ||
        isStillExecuting(lease.raw, error)
      ) {
        abandonConnection(lease.raw);
      }
      const isRefused =
        isPlanOutdated(error) || (await this.#refusesToPrepare(lease, error, deadline));
      if (!isRefused || !lease.usesPreparedStatements) throw error;
      reason = describeDatabaseError(error);
    } finally {
      await lease.release();
    }
    if (mayPrepareAgain) return this.runOnce(execute, deadline, outdatedPlans + 1);
    this.capabilities.disable(
      'preparedStatements',
      `The server, its driver or a pooler between them refuses prepared statements (${reason}); going on without them. Set ` +
        'preparedStatements: false to say so from the start.',
    );
    return this.runOnce(execute, deadline);
  }

  /**
   * Whether prepared statements are refused, and not this statement alone. Drivers such as that of PGlite refuse them in words
   * of their own; then a statement without any effect is tried: it is refused when it is prepared, and executed as text.
   */
  async #refusesToPrepare(
    lease: ConnectionLease,
    error: unknown,
    deadline: Deadline,
  ): Promise<boolean> {
    if (isPreparedStatementRefused(error)) return true;
    const isUnclear = isDriverOwnError(error) && !(error instanceof ExecutionError);
    if (!isUnclear || !lease.usesPreparedStatements || deadline.expired) return false;
    try {
      const probe = boundStatement(this.#probe, () => ({}));
      await this.#abortOnDeadline(
        deadline,
        Promise.resolve().then(() => lease.execute([probe])),
      );
      return false;
    } catch (refusal) {
      if (!isDriverOwnError(refusal)) return false;
    }
    // Executed twice, because PGlite sends the half of a message that it could not write in front of the next one. A connection that is
    // broken fails both times.
    const asText = (): Promise<unknown> => this.#abortOnDeadline(deadline, lease.rollBack());
    return asText()
      .catch(asText)
      .then(
        () => true,
        () => false,
      );
  }

  #lease(): Promise<ConnectionLease> {
    const engine = this.#engine;
    if (engine !== 'sqlite' && this.canBypassTypeOrm) {
      return acquireDriverConnection(this.dataSource, engine);
    }
    return TypeOrmConnection.acquire(
      this.dataSource,
      engine === 'postgres' && this.#preparesStatements,
    );
  }

  get #preparesStatements(): boolean {
    return (
      this.options.preparedStatements &&
      this.capabilities.preparedStatements &&
      // A subscriber of the application expects the text of a query, and would get the object of a prepared one.
      !this.#observers.hasQuerySubscribers
    );
  }

  /**
   * Executes when no transaction is open on the only connection of SQLite: after its turn has come, and after the end of a transaction that
   * takes no turn. Inside of the transaction of another caller, the effect would be undone by its rollback after the result was returned.
   */
  async #executeOnSqlite(
    turns: SqliteTurns,
    lease: ConnectionLease,
    execute: (lease: ConnectionLease) => Promise<ExecutedStatement>,
    deadline: Deadline,
  ): Promise<ExecutedStatement> {
    const executeUnlessOpen = async (): Promise<ExecutedStatement | null> => {
      // Nothing is awaited between the last check of each condition and the statement. Otherwise a transaction that takes no turn
      // could begin, or the deadline could expire, after the check.
      if (isInTransaction(lease)) {
        if (deadline.expired || remainingWaitMs(deadline) <= 0) throw openTransactionError();
        return null;
      }
      if (deadline.expired) throw databaseTimeoutError();
      const result = await this.#abortOnDeadline(deadline, execute(lease));
      if (isInTransaction(lease)) throw openTransactionError();
      return result;
    };
    for (;;) {
      // A subscriber of the application that runs after a COMMIT is still within the turn. TypeORM may wait for it, but not for what it
      // begins and does not await, such as the claim of a queued message.
      const isWithinTurn = turns.isInside && !isInTransaction(lease);
      const result = await (isWithinTurn
        ? turns.runInside(executeUnlessOpen)
        : turns.runStatement(remainingWaitMs(deadline), executeUnlessOpen));
      if (result !== null) return result;
      // A transaction that takes no turn is open. The turn is given back, because a `save` inside of that transaction takes one: it
      // would wait for this call, and this call for the COMMIT that comes after it.
      await sleep(POLL_MS);
    }
  }

  /** Rejects a statement that is still executing when its deadline expires, so that its connection can be abandoned. */
  #abortOnDeadline<T>(deadline: Deadline, query: Promise<T>): Promise<T> {
    const issuedAt = performance.now();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        deadline.noteTimeoutOnServer();
        reject(databaseTimeoutError());
      };
      let timer: NodeJS.Timeout | undefined;
      const onExpire = (): void => {
        // A call that waited long for the pool has a statement that has only just begun. It is given half of the time:
        // otherwise a busy pool would close good connections, one per time-out.
        const rest = issuedAt + this.options.timeoutMs / 2 - performance.now();
        if (rest > 0) timer = setTimeout(abort, rest);
        else abort();
      };
      // The function is in a variable first. V8 allocates a function expression that is assigned to a member in the old generation, and
      // all that the function refers to stays in memory until a full collection (test/package/habits.spec.ts).
      deadline.onExpire = onExpire;
      const inTime =
        <A>(settle: (result: A) => void) =>
        (result: A): void => {
          deadline.onExpire = null;
          clearTimeout(timer);
          settle(result);
        };
      query.then(inTime(resolve), inTime(reject));
    });
  }
}

/** How long a call may still wait for the end of transactions on SQLite. */
function remainingWaitMs({ startedAt }: Deadline): number {
  return OPEN_TRANSACTION_WAIT_MS - (performance.now() - startedAt);
}

function isInTransaction(lease: ConnectionLease): boolean {
  const { runner, raw } = lease as TypeOrmConnection;
  // better-sqlite3 also reports a transaction that was begun by a plain `BEGIN`, which TypeORM does not know.
  return (
    runner.isTransactionActive || (raw as SqliteConnection | undefined)?.inTransaction === true
  );
}

function poolSizeOf({ options }: DataSource): number {
  const { poolSize, extra } = options as {
    poolSize?: number;
    extra?: { max?: number; connectionLimit?: number } | null;
  };
  return poolSize ?? extra?.max ?? extra?.connectionLimit ?? DEFAULT_POOL_SIZE;
}

interface SqliteConnection {
  readonly inTransaction?: boolean;
}
