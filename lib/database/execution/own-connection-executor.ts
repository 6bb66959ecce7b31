import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { Capabilities } from '../capabilities.js';
import {
  isDuplicateKey,
  isPreparedStatementRefused,
  isReadOnly,
  isSerializationFailure,
  translateDatabaseError,
} from '../database-error.js';
import { abandonConnection } from '../drivers/abandon-connection.js';
import { acquireDriverConnection } from '../drivers/acquire-driver-connection.js';
import type { BoundStatement, ConnectionLease } from '../drivers/connection-lease.js';
import {
  NO_ROWS_AFFECTED,
  type ExecutedStatement,
  type StatementResult,
} from '../drivers/statement-result.js';
import { TypeOrmConnection } from '../drivers/typeorm-connection.js';
import { engineOf, type Engine } from '../engine.js';
import { bindValues, type SqlValue, type SqlValues, type Statement } from '../statement.js';
import { databaseTimeoutError, type Deadline } from './deadline.js';
import {
  NotCommittedError,
  openTransactionError,
  UnbindableValuesError,
} from './execution-errors.js';
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
/** A connection with a leftover transaction is repaired by the first try. A second failure has another reason. */
const NOT_COMMITTED_TRIES = 3;

/** Executes statements on connections of the pool, each in its own transaction: committed when it returns. */
export class OwnConnectionExecutor {
  readonly #engine: Engine;
  readonly #observers: TypeOrmObservers;

  constructor(
    private readonly dataSource: DataSource,
    private readonly capabilities: Capabilities,
    private readonly options: OwnConnectionOptions,
  ) {
    this.#engine = engineOf(dataSource);
    this.#observers = new TypeOrmObservers(dataSource);
  }

  /** Whether statements may go to the driver directly: they are prepared, and nothing observes them through TypeORM. */
  get canBypassTypeOrm(): boolean {
    return this.#preparesStatements && !this.#observers.hasLogging;
  }

  /** Executes a statement, and repeats it when it lost a race. A row whose id is taken is not inserted: 0 are affected. */
  async run(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
  ): Promise<StatementResult> {
    const execute = (lease: ConnectionLease): Promise<ExecutedStatement> =>
      lease.execute([boundStatement(statement, values)]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.runOnce(execute, deadline);
      } catch (error) {
        if (error instanceof UnbindableValuesError) throw error.cause;
        if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
        const isNotCommitted = error instanceof NotCommittedError;
        if (isNotCommitted && attempt >= NOT_COMMITTED_TRIES) {
          throw new TwoFactorConfigurationError(error.message);
        }
        const mayRetry = isNotCommitted || isSerializationFailure(error);
        if (!mayRetry || attempt >= this.options.tries || deadline.expired) {
          throw translateDatabaseError(error, false);
        }
        // At random, because two transactions that collided would otherwise collide again.
        await sleep(Math.random() * MAX_JITTER_MS);
      }
    }
  }

  /** @throws the error of the driver, untranslated: the caller decides whether the statement may be repeated. */
  async runOnce(
    execute: (lease: ConnectionLease) => Promise<ExecutedStatement>,
    deadline: Deadline,
  ): Promise<StatementResult> {
    // The caller has been refused. A statement sent now would take effect without the caller knowing.
    if (deadline.expired) throw databaseTimeoutError();
    const lease = await this.#lease();
    try {
      if (isInLeftoverTransaction(lease)) await this.#abortOnDeadline(deadline, lease.rollBack());
      // Nothing is awaited between the last check of each condition and the statement. Otherwise a transaction could begin,
      // or the deadline could expire, after the check.
      while (this.#isInsideOthersTransaction(lease)) await this.#pause(deadline);
      if (deadline.expired) throw databaseTimeoutError();
      const result = await this.#abortOnDeadline(deadline, execute(lease));
      if (this.#isInsideOthersTransaction(lease)) throw openTransactionError();
      // The open transaction may still be rolled back by its owner. To return the result now would report an effect, such
      // as a used confirmation, that may never be.
      if (result.isUncommitted || isInLeftoverTransaction(lease)) {
        await this.#abortOnDeadline(deadline, lease.rollBack());
        throw new NotCommittedError();
      }
      return result;
    } catch (error) {
      // The server does not answer on this connection, or accepts no writes since a failover. The pool opens another one.
      if (deadline.timedOutOnServer || isReadOnly(error)) abandonConnection(lease.raw);
      if (!lease.usesPreparedStatements || !isPreparedStatementRefused(error)) throw error;
    } finally {
      await lease.release();
    }
    this.capabilities.disable(
      'preparedStatements',
      'The server or a pooler before it refuses prepared statements; going on without them. Set ' +
        'preparedStatements: false to say so from the start.',
    );
    return this.runOnce(execute, deadline);
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
   * TypeORM's SQLite drivers share one connection. A statement inside the transaction of another caller is undone by its
   * rollback, after the result has been returned.
   */
  #isInsideOthersTransaction(lease: ConnectionLease): boolean {
    if (this.#engine !== 'sqlite') return false;
    const { runner, raw } = lease as TypeOrmConnection;
    // better-sqlite3 also reports a transaction that was begun by a plain `BEGIN`, which TypeORM does not know.
    return (
      runner.isTransactionActive || (raw as SqliteConnection | undefined)?.inTransaction === true
    );
  }

  async #pause(deadline: Deadline): Promise<void> {
    const waited = performance.now() - deadline.startedAt;
    if (deadline.expired || waited >= OPEN_TRANSACTION_WAIT_MS) throw openTransactionError();
    await sleep(POLL_MS);
  }

  /** Rejects a statement that is still executing when its deadline expires, so that its connection can be abandoned. */
  #abortOnDeadline<T>(deadline: Deadline, query: Promise<T>): Promise<T> {
    const issuedAt = performance.now();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        deadline.timedOutOnServer = true;
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
      // Assigned by name. V8 allocates a function expression that is assigned to a member in the old generation, and all
      // that it refers to stays in memory until a full collection (test/package/habits.spec.ts).
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

/** @throws UnbindableValuesError, so that an error in making the values is not taken for one of the database. */
export function boundStatement(statement: Statement, values: () => SqlValues): BoundStatement {
  return bindLazily(statement, () => bindValues(statement, values()));
}

/** As `boundStatement`, with values that are already in the order of the placeholders. */
export function bindLazily(statement: Statement, bind: () => SqlValue[]): BoundStatement {
  try {
    return { statement, values: bind() };
  } catch (error) {
    throw new UnbindableValuesError('', { cause: error });
  }
}

interface SqliteConnection {
  readonly inTransaction?: boolean;
}

/** Whether an application released the connection inside a transaction. `pg` knows: `I` is idle, all else a transaction. */
function isInLeftoverTransaction({ raw }: ConnectionLease): boolean {
  const { getTransactionStatus } = (raw ?? {}) as { getTransactionStatus?: () => string | null };
  return (getTransactionStatus?.call(raw) ?? 'I') !== 'I';
}
