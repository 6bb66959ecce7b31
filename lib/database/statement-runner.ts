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
  isJoiningRefused,
  isLostRace,
  isPreparedStatementRefused,
  isReadOnly,
  isRolledBack,
  translateDatabaseError,
} from './database-error.js';
import { dataSourceOf } from './data-source-of.js';
import { engineOf, type Engine } from './engine.js';
import { giveUp } from './give-up.js';
import { Deadline, tooLate } from './deadline.js';
import { Lanes } from './lanes.js';
import { Line, type Joinable } from './line.js';
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
  /** What waits for the database at the same time goes as one statement, up to so many at once; 1 for never. */
  readonly joinUpTo: number;
}

/** How a call goes together with others of its kind. */
export interface Join extends Joinable {
  /**
   * The statement for all of them: it takes `:rows`, a JSON array, and answers rows that say by `key` whose they are, and
   * whether it was `touched`. A call of which it says nothing goes by itself.
   */
  readonly statement: Statement;
  /** Only those go together that name the same one. */
  readonly line?: string | undefined;
  /** What it adds to `:rows`, made when the statement is issued. */
  readonly rows: () => readonly Readonly<Record<string, unknown>>[];
  /** Further values, the same for all. */
  readonly shared?: (() => SqlValues) | undefined;
}

interface JoinedCall extends Joinable {
  readonly join: Join;
  readonly deadline: Deadline;
  readonly resolve: (result: StatementResult | Promise<StatementResult>) => void;
  readonly reject: (error: unknown) => void;
  /** By itself. */
  readonly alone: () => Promise<StatementResult>;
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
  readonly #lines = new Map<string, Line<JoinedCall>>();
  readonly #logger = new Logger(StatementRunner.name);
  #named: boolean;
  #joins: boolean;

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: StatementRunnerOptions,
  ) {
    this.engine = engineOf(dataSource);
    this.#named = this.engine === 'postgres' && options.preparedStatements;
    this.#joins = options.joinUpTo > 1;
  }

  /**
   * Without `manager`: committed when it answers, retried when it lost a race, given up after `timeoutMs`. With it: part
   * of that transaction, never retried. A row whose id is taken is not inserted, and nothing is affected then.
   *
   * @param values are made when the statement is issued, so that the time in them is that time.
   * @param join how it may go together with others; never inside a transaction.
   */
  async run(
    statement: Statement,
    values: () => SqlValues,
    manager?: EntityManager,
    join?: Join | null,
  ): Promise<StatementResult> {
    if (manager !== undefined) return this.#inTransaction(statement, values, manager);
    return this.#withDeadline((deadline) => this.#ownOrJoined(statement, values, deadline, join));
  }

  /** As `run`, without a manager, after those of the same lane. */
  async runInLane(
    lane: string,
    statement: Statement,
    values: () => SqlValues,
    join?: Join | null,
  ): Promise<StatementResult> {
    return this.#withDeadline((deadline) =>
      this.#lanes.run(lane, () => this.#ownOrJoined(statement, values, deadline, join), deadline),
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

  #ownOrJoined(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
    join: Join | null | undefined,
  ): Promise<StatementResult> {
    const alone = (): Promise<StatementResult> => this.#own(statement, values, deadline);
    if (!join || !this.#joins) return alone();
    return new Promise((resolve, reject) => {
      this.#lineOf(join).add({
        keys: join.keys,
        join,
        deadline,
        resolve,
        reject,
        alone,
      });
    });
  }

  #lineOf({ statement, line: own = '' }: Join): Line<JoinedCall> {
    const name = `${statement.name} ${own}`;
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = new Line(this.options.joinUpTo, (calls) => this.#send(calls));
      this.#lines.set(name, line);
    }
    return line;
  }

  async #send(calls: readonly JoinedCall[]): Promise<void> {
    const [first, second] = calls as readonly [JoinedCall, JoinedCall?];
    if (second === undefined || !this.#joins) {
      await Promise.allSettled(calls.map((call) => goAlone(call)));
      return;
    }
    let members: readonly JoinedCall[] = [];
    const { statement, shared } = first.join;
    const values = (): SqlValues => {
      // The others were told that it was too late; nothing may happen for them now.
      members = calls.filter(({ deadline }) => !deadline.passed);
      return { ...shared?.(), rows: JSON.stringify(members.flatMap(({ join }) => join.rows())) };
    };
    // Who came last is the last one who waits for it.
    const { deadline } = calls.at(-1)!;
    try {
      const { rows } = await this.#once(statement, values, deadline);
      settle(members, rows);
      for (const call of calls) if (!members.includes(call)) call.reject(tooLate());
    } catch (error) {
      this.#refused(calls, deadline, error);
    }
  }

  /** One of them may have spoiled it for all. Whoever certainly got nothing from it goes by himself. */
  #refused(calls: readonly JoinedCall[], { isStuck }: Deadline, error: unknown): void {
    if (isJoiningRefused(error) && this.#joins) {
      this.#joins = false;
      this.#logger.warn(
        'The server does not take joined statements; going on without them. Set join: false to say so from the start.',
      );
    }
    const mayGo = error instanceof UncommittedError || isRolledBack(error);
    for (const call of calls) {
      call.deadline.isStuck ||= isStuck;
      if (mayGo) void goAlone(call);
      else call.reject(translateDatabaseError(error, false));
    }
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
      const raw = await this.#untilStuck(
        deadline,
        this.#query(runner, statement, bindValues(statement, values())),
        () => {
          isStuck = true;
        },
      );
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

  /** Gives a statement up that is under way when its deadline has passed. */
  #untilStuck<T>(deadline: Deadline, query: Promise<T>, stuck: () => void): Promise<T> {
    const issuedAt = Date.now();
    return new Promise((resolve, reject) => {
      const giveUpNow = (): void => {
        stuck();
        reject(tooLate());
      };
      let timer: NodeJS.Timeout | undefined;
      const forget = deadline.onPass(() => {
        // A caller who waited long for the pool must not end a statement that is young.
        const youth = issuedAt + this.options.timeoutMs / 2 - Date.now();
        if (youth > 0) timer = setTimeout(giveUpNow, youth);
        else giveUpNow();
      });
      query.then(resolve, reject).finally(() => {
        forget();
        clearTimeout(timer);
      });
    });
  }

  #withDeadline<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return Deadline.run(this.options.timeoutMs, work);
  }
}

function goAlone({ alone, resolve, reject }: JoinedCall): Promise<void> {
  return alone().then(resolve, reject);
}

/** Each of them gets what is its own. */
function settle(calls: readonly JoinedCall[], rows: StatementResult['rows']): void {
  const answers = new Map<unknown, { isOurs: boolean; rows: StatementResult['rows'][number][] }>();
  for (const { keys } of calls) {
    const answer = { isOurs: false, rows: [] };
    for (const key of keys) answers.set(key, answer);
  }
  for (const row of rows) {
    const answer = answers.get(row['key'])!;
    answer.isOurs = true;
    if (row['touched'] === true) answer.rows.push(row);
  }
  for (const call of calls) {
    const { isOurs, rows: touched } = answers.get(call.keys[0])!;
    if (isOurs) call.resolve({ rows: touched, affected: touched.length });
    else void goAlone(call);
  }
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
