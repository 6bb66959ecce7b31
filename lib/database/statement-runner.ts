import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorUnavailableError,
} from '../errors/index.js';
import {
  isDuplicateKey,
  isLostRace,
  isPreparedStatementRefused,
  isReadOnly,
  translateDatabaseError,
} from './database-error.js';
import { dataSourceOf } from './data-source-of.js';
import { engineOf, type Engine } from './engine.js';
import { giveUp } from './give-up.js';
import { Lanes } from './lanes.js';
import { bindValues, type SqlValue, type SqlValues, type Statement } from './statement.js';

/** What a statement touched. */
export interface StatementResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affected: number;
}

export interface StatementRunnerOptions {
  readonly timeoutMs: number;
  readonly preparedStatements: boolean;
  /** How often a statement of our own that lost a race is tried in all. */
  readonly tries: number;
}

/** SQLite's one connection may be inside somebody's transaction: wait this long for its end. */
const FOREIGN_TRANSACTION_WAIT_MS = 2_000;
const POLL_MS = 5;
const NOTHING_TOUCHED: StatementResult = { rows: [], affected: 0 };
const MAX_JITTER_MS = 50;
/** A connection that was left in a transaction is mended by the first try. */
const UNCOMMITTED_TRIES = 3;

/** Runs the stores' statements: on a connection of our own within a deadline, or inside a caller's transaction. */
export class StatementRunner {
  readonly engine: Engine;
  readonly #lanes = new Lanes();
  readonly #logger = new Logger(StatementRunner.name);
  #named: boolean;

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: StatementRunnerOptions,
  ) {
    this.engine = engineOf(dataSource);
    this.#named = this.engine === 'postgres' && options.preparedStatements;
  }

  /**
   * Without `manager`: committed when it answers, retried when it lost a race, given up after `timeoutMs`. With it: part
   * of that transaction, never retried. A row whose id is taken is not inserted, and nothing is affected then.
   *
   * @param values are made when the statement is issued, so that the time in them is that time.
   */
  async run(
    statement: Statement,
    values: () => SqlValues,
    manager?: EntityManager,
  ): Promise<StatementResult> {
    if (manager !== undefined) return this.#inTransaction(statement, values, manager);
    return this.#withDeadline((deadline) => this.#own(statement, values, deadline));
  }

  /** As `run`, without a manager, after those of the same lane. */
  async runInLane(
    lane: string,
    statement: Statement,
    values: () => SqlValues,
  ): Promise<StatementResult> {
    return this.#withDeadline((deadline) =>
      this.#lanes.run(lane, () => this.#own(statement, values, deadline), deadline),
    );
  }

  /** Statements that belong together, after those of the same turn. The wait is bounded, the work is not. */
  async inTurn<T>(turn: string, work: () => Promise<T>): Promise<T> {
    let begin: (() => void) | undefined;
    const begins = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let isLate = false;
    const done = this.#lanes.run(turn, async () => {
      if (isLate) throw tooLate();
      begin?.();
      return work();
    });
    try {
      await this.#withDeadline(() => begins);
    } catch (error) {
      isLate = true;
      done.catch(() => undefined);
      throw error;
    }
    return done;
  }

  async #inTransaction(
    statement: Statement,
    values: () => SqlValues,
    manager: EntityManager,
  ): Promise<StatementResult> {
    const runner = this.#transactionOf(manager);
    try {
      return resultOf(await runner.query(statement.text, bindValues(statement, values()), true));
    } catch (error) {
      if (isDuplicateKey(error)) return NOTHING_TOUCHED;
      throw translateDatabaseError(error, true);
    }
  }

  #transactionOf(manager: EntityManager): QueryRunner {
    const runner = (manager as EntityManager | null)?.queryRunner;
    if (!runner?.isTransactionActive) {
      throw new TwoFactorInputError(
        'The manager is in no transaction. Pass the one that dataSource.transaction() hands to its callback.',
      );
    }
    if (dataSourceOf(manager) !== this.dataSource) {
      throw new TwoFactorInputError(
        'The manager belongs to another data source than the confirmations. Set the extra dataSource, or leave manager out.',
      );
    }
    return runner;
  }

  async #own(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
  ): Promise<StatementResult> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(statement, values, deadline);
      } catch (error) {
        if (isDuplicateKey(error)) return NOTHING_TOUCHED;
        const isUncommitted = error instanceof UncommittedError;
        if (isUncommitted && attempt >= UNCOMMITTED_TRIES) {
          throw new TwoFactorConfigurationError(error.message);
        }
        const mayRetry = isUncommitted || isLostRace(error);
        if (!mayRetry || attempt >= this.options.tries || deadline.passed) {
          throw translateDatabaseError(error, false);
        }
        await sleep(Math.random() * MAX_JITTER_MS);
      }
    }
  }

  async #once(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
  ): Promise<StatementResult> {
    // The caller was told that it was too late; nothing may happen now.
    if (deadline.passed) throw tooLate();
    // `master`: a replica may not have the row yet, and decides nothing.
    const runner = this.dataSource.createQueryRunner('master');
    let connection: unknown;
    let isStuck = false;
    try {
      connection = await runner.connect();
      if (isInLeftTransaction(connection)) await runner.query('ROLLBACK');
      // From the last check of either condition to the statement there is no `await`: both still hold when it is issued.
      while (this.#isInForeignTransaction(runner, connection)) await this.#pause(deadline);
      if (deadline.passed) throw tooLate();
      const issuedAt = Date.now();
      const query = this.#query(runner, statement, bindValues(statement, values()));
      const isLate = deadline.passes.catch(async (error: unknown) => {
        // A caller who waited long for the pool must not end a statement that is young.
        const youth = issuedAt + this.options.timeoutMs / 2 - Date.now();
        if (youth > 0) await sleep(youth);
        isStuck = true;
        throw error;
      });
      const raw = await Promise.race([query, isLate]);
      await this.#assertCommitted(runner, connection, raw);
      return resultOf(raw);
    } catch (error) {
      // Nobody answers on it, or only a server that takes no writes any more: the pool makes another one.
      deadline.isStuck = isStuck;
      if (isStuck || isReadOnly(error)) giveUp(connection);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /**
   * An answer that a later rollback undoes is worse than none. A connection may come back to the pool inside a
   * transaction that somebody forgot to end, autocommit may be off, and a subscriber that waits before each query lets
   * another transaction begin on SQLite's only connection after our check.
   */
  async #assertCommitted(runner: QueryRunner, connection: unknown, raw: unknown): Promise<void> {
    if (this.#isInForeignTransaction(runner, connection)) throw foreignTransaction();
    if (isInLeftTransaction(connection) || leftTransactionOpen(raw)) {
      await runner.query('ROLLBACK');
      throw new UncommittedError();
    }
  }

  async #query(
    runner: QueryRunner,
    statement: Statement,
    parameters: SqlValue[],
  ): Promise<unknown> {
    if (!this.#named || this.#isWatched()) return runner.query(statement.text, parameters, true);
    try {
      return await runner.query(namedQuery(statement), parameters, true);
    } catch (error) {
      if (!isPreparedStatementRefused(error)) throw error;
      if (this.#named) {
        this.#named = false;
        this.#logger.warn(
          'The server or a pooler before it refuses named prepared statements; going on without them. Set ' +
            'preparedStatements: false to say so from the start.',
        );
      }
      return runner.query(statement.text, parameters, true);
    }
  }

  /**
   * TypeORM's SQLite drivers have one runner and one connection for all: what we write inside somebody's transaction is
   * undone by its rollback, after we answered.
   */
  #isInForeignTransaction(runner: QueryRunner, connection: unknown): boolean {
    if (this.engine !== 'sqlite') return false;
    // better-sqlite3 also knows of a BEGIN that TypeORM was not asked for.
    return (
      runner.isTransactionActive ||
      (connection as SqliteConnection | undefined)?.inTransaction === true
    );
  }

  /** The application's subscribers take queries for strings. */
  #isWatched(): boolean {
    return this.dataSource.subscribers.some(
      (subscriber) => subscriber.beforeQuery !== undefined || subscriber.afterQuery !== undefined,
    );
  }

  async #pause(deadline: Deadline): Promise<void> {
    const waited = Date.now() - deadline.startedAt;
    if (deadline.passed || waited >= FOREIGN_TRANSACTION_WAIT_MS) {
      throw foreignTransaction();
    }
    await sleep(POLL_MS);
  }

  async #withDeadline<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const passes = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        deadline.passed = true;
        reject(tooLate());
      }, this.options.timeoutMs);
    });
    const deadline: Deadline = { passed: false, startedAt: Date.now(), passes, isStuck: false };
    try {
      return await Promise.race([work(deadline), passes]);
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Deadline {
  passed: boolean;
  /** Rejects when it does. */
  readonly passes: Promise<never>;
  /** It passed while the server had the statement. */
  isStuck: boolean;
  readonly startedAt: number;
}

interface SqliteConnection {
  readonly inTransaction?: boolean;
}

/** The statement was part of a transaction of nobody, which was rolled back: it may be repeated. */
class UncommittedError extends Error {
  constructor() {
    super(
      'The connections of the data source do not commit by themselves. Set autocommit = 1, and end every transaction ' +
        'before its query runner is released.',
    );
  }
}

/** `pg` knows what the server said last: I is idle, everything else a transaction. */
function isInLeftTransaction(connection: unknown): boolean {
  const { getTransactionStatus } = (connection ?? {}) as {
    getTransactionStatus?: () => string | null;
  };
  return (getTransactionStatus?.call(connection) ?? 'I') !== 'I';
}

/**
 * MySQL says it with every answer without rows: SERVER_STATUS_IN_TRANS. A statement that writes and answers rows asks
 * for it as `inTransaction`.
 */
function leftTransactionOpen(structured: unknown): boolean {
  const { raw } = structured as { raw?: MysqlAnswer | readonly MysqlAnswer[] | null };
  const { serverStatus = 0, inTransaction = 0 } = (Array.isArray(raw) ? raw[0] : raw) ?? {};
  return (serverStatus & 1) === 1 || Number(inTransaction) === 1;
}

interface MysqlAnswer {
  readonly serverStatus?: number;
  readonly inTransaction?: number | string;
}

function foreignTransaction(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'Another transaction is open on the only connection of this SQLite data source. Call this outside of it, or use ' +
      'PostgreSQL or MariaDB.',
  );
}

function tooLate(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}

/** `pg` takes an object with a name; TypeORM passes it on, and logs it as text. */
function namedQuery({ name, text }: Statement): string {
  const query = { name, text, toString: (): string => text };
  return query as unknown as string;
}

function resultOf(structured: unknown): StatementResult {
  const { records, affected } = structured as {
    records?: StatementResult['rows'];
    affected?: number;
  };
  return {
    rows: Array.isArray(records) ? records : [],
    affected: affected ?? 0,
  };
}
