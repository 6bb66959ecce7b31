import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorUnavailableError,
} from '../errors/index.js';
import {
  resultFromTypeOrm,
  type ExecutedStatement,
  type StatementResult,
} from './drivers/statement-result.js';
import {
  isDuplicateKey,
  isBatchUnsupported,
  isSerializationFailure,
  isPreparedStatementRefused,
  isReadOnly,
  isRolledBack,
  translateDatabaseError,
} from './database-error.js';
import { dataSourceOf } from './data-source-of.js';
import { engineOf, type Engine } from './engine.js';
import { abandonConnection } from './drivers/abandon-connection.js';
import { bindArrays } from './batching/batch-rows.js';
import { Deadlines, databaseTimeoutError, type Deadline } from './execution/deadline.js';
import type { ConnectionLease, BoundStatement } from './drivers/connection-lease.js';
import { KeyedMutex } from './execution/keyed-mutex.js';
import { CoalescingQueue, type Batchable } from './batching/coalescing-queue.js';
import { acquireDriverConnection } from './drivers/acquire-driver-connection.js';
import { bindValues, type SqlValue, type SqlValues, type Statement } from './statement.js';
import { TypeOrmConnection } from './drivers/typeorm-connection.js';

export interface StatementRunnerOptions {
  readonly timeoutMs: number;
  readonly preparedStatements: boolean;
  /** How often a statement of our own that lost a race is tried in all. */
  readonly tries: number;
  /** What waits for the database at the same time goes as one statement, up to so many at once; 1 for never. */
  readonly maxBatchSize: number;
}

/**
 * How a call goes together with others. Its statements answer a row for each call, which says by `key`, the first of
 * `keys`, whose it is, and whether anything was `touched`. A call of which they say nothing goes by itself.
 */
export interface BatchSpec extends Batchable {
  /** For all calls of its kind: it takes `bindLists`. */
  readonly batchStatement: Statement;
  /** For those of whom neither `one` nor `many` said anything, where those say what they touched alone. */
  readonly followUpStatement?: Statement | undefined;
  /**
   * For this call alone, with the values of `row`: then it goes together with calls of other kinds, too, in one transaction.
   * Neither statement may ever wait for a row that somebody has locked.
   */
  readonly singleStatement?: Statement | undefined;
  /** What it gives, made when the statement is issued. */
  readonly values: () => SqlValues;
  /** Further values, the same for all, of a kind that has no `one`. */
  readonly sharedValues?: (() => SqlValues) | undefined;
}

interface QueuedCall extends Batchable {
  readonly batch: BatchSpec;
  readonly deadline: Deadline;
  readonly resolve: (result: StatementResult | Promise<StatementResult>) => void;
  readonly reject: (error: unknown) => void;
  /** By itself. */
  readonly alone: () => Promise<StatementResult>;
}

/** SQLite's one connection may be inside somebody's transaction: wait this long for its end. */
const OPEN_TRANSACTION_WAIT_MS = 2_000;
const POLL_MS = 5;
/** Of a line of one kind: what two calls gain by going together they lose by waiting. */
const MAX_SINGLE_IN_FLIGHT = 2;
/** So many of a kind at most go with a statement each, where they can: the one for many sets up more. */
const MAX_SINGLE_STATEMENTS = 3;
const NO_ROWS_AFFECTED: StatementResult = { rows: [], affected: 0 };
const MAX_JITTER_MS = 50;
/** A connection that was left in a transaction is mended by the first try. */
const UNCOMMITTED_TRIES = 3;

/** Runs the stores' statements: on a connection of our own within a deadline, or inside a caller's transaction. */
export class StatementRunner {
  readonly engine: Engine;
  readonly #deadlines: Deadlines;
  readonly #mutex = new KeyedMutex();
  /** By their statement for many. */
  readonly #queues = new Map<Statement, CoalescingQueue<QueuedCall>>();
  /** Of all kinds. */
  readonly #sharedQueue: CoalescingQueue<QueuedCall>;
  readonly #logger = new Logger(StatementRunner.name);
  /** TypeORM's own logger, which says nothing unless it is told to. */
  readonly #silentLogger: unknown;
  #prepares: boolean;
  #joins: boolean;
  /** Whether the driver's connections take several statements in one go, as far as that is known. */
  #sendsTogether = true;

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: StatementRunnerOptions,
  ) {
    this.engine = engineOf(dataSource);
    this.#silentLogger = dataSource.logger;
    this.#prepares = options.preparedStatements;
    this.#joins = options.maxBatchSize > 1;
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#sharedQueue = this.#newQueue(1);
  }

  /**
   * Without `manager`: committed when it answers, retried when it lost a race, given up after `databaseTimeoutMs`. With it: part
   * of that transaction, never retried. A row whose id is taken is not inserted, and nothing is affected then.
   *
   * @param values are made when the statement is issued, so that the time in them is that time.
   * @param join how it may go together with others; never inside a transaction.
   */
  run(
    statement: Statement,
    values: () => SqlValues,
    manager?: EntityManager,
    join?: BatchSpec | null,
  ): Promise<StatementResult> {
    if (manager !== undefined) return this.#inTransaction(statement, values, manager);
    return this.#deadlines.run((deadline) => this.#runOrEnqueue(statement, values, deadline, join));
  }

  /** As `run`, without a manager, after those of the same lane. */
  runExclusive(
    lane: string,
    statement: Statement,
    values: () => SqlValues,
    join?: BatchSpec | null,
  ): Promise<StatementResult> {
    return this.#deadlines.run((deadline) =>
      this.#mutex.run(lane, () => this.#runOrEnqueue(statement, values, deadline, join), deadline),
    );
  }

  /**
   * Several statements of one call, within the time that one of them may take: without it each would wait anew, and a slow
   * database would keep a call as many times as long. The caller is refused in time; `work` looks at `passed` before its
   * next step, so that nothing is done for a call that has been refused.
   */
  within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return this.#deadlines.run(work);
  }

  /** Statements that belong together, after those of the same turn. The wait is bounded, the work is not. */
  async serialize<T>(turn: string, work: () => Promise<T>): Promise<T> {
    let begin: (() => void) | undefined;
    const begins = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let isLate = false;
    const done = this.#mutex.run(turn, async () => {
      if (isLate) throw databaseTimeoutError();
      begin?.();
      return work();
    });
    try {
      await this.#deadlines.run(() => begins);
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
    // Before the boundary below: values that cannot be made are no failure of the database.
    const bound = bindValues(statement, values());
    try {
      return resultFromTypeOrm(await runner.query(statement.text, bound, true));
    } catch (error) {
      if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
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

  #runOrEnqueue(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
    batch: BatchSpec | null | undefined,
  ): Promise<StatementResult> {
    const alone = (): Promise<StatementResult> => this.#runWithRetry(statement, values, deadline);
    if (!batch || !this.#joins) return alone();
    return new Promise((resolve, reject) => {
      this.#queueOf(batch).add({ keys: batch.keys, batch, deadline, resolve, reject, alone });
    });
  }

  #queueOf({ batchStatement, singleStatement }: BatchSpec): CoalescingQueue<QueuedCall> {
    if (singleStatement !== undefined && this.#sendsTogether && this.#isUntold)
      return this.#sharedQueue;
    let line = this.#queues.get(batchStatement);
    if (line === undefined) {
      line = this.#newQueue(MAX_SINGLE_IN_FLIGHT);
      this.#queues.set(batchStatement, line);
    }
    return line;
  }

  #newQueue(lone: number): CoalescingQueue<QueuedCall> {
    return new CoalescingQueue(this.options.maxBatchSize, lone, (calls) => this.#sendCalls(calls));
  }

  #sendCalls(calls: readonly QueuedCall[]): Promise<unknown> {
    if (calls.length === 1) return runSingly(calls[0]!);
    return this.#joins ? this.#sendBatch(calls) : Promise.all(calls.map(runSingly));
  }

  /** @param isRest whether they were said once and not answered. */
  async #sendBatch(calls: readonly QueuedCall[], isRest = false): Promise<void> {
    let kinds: readonly StatementGroup[] = [];
    const say = (held: ConnectionLease): Promise<ExecutedStatement> => {
      // The others were told that it was too late; nothing may happen for them now.
      const members = calls.filter(({ deadline }) => !deadline.expired);
      kinds = groupByStatement(
        members,
        held.sendsTogether && !isRest ? MAX_SINGLE_STATEMENTS : 0,
        isRest,
      );
      const all = bindGroups(kinds);
      if (all.length > 1 && !held.sendsTogether) throw new PipelineUnsupportedError();
      return held.send(all);
    };
    const deadline = latestDeadline(calls);
    try {
      const { rows } = await this.#runOnce(say, deadline);
      const left = settle(kinds, rows);
      // Another statement knows of what was not touched whether somebody has locked it. Refused calls, as an attacker makes
      // many, are not to take a connection each.
      if (left.length > 1) void this.#sendBatch(left, true);
      else void left.map(runSingly);
      const bindStatement = new Set(kinds.flatMap((kind) => kind.calls));
      for (const call of calls) if (!bindStatement.has(call)) call.reject(databaseTimeoutError());
    } catch (error) {
      if (error instanceof PipelineUnsupportedError) await this.#sendSingly(calls);
      else this.#onBatchFailure(calls, deadline, error);
    }
  }

  async #sendSingly(calls: readonly QueuedCall[]): Promise<void> {
    // Else somebody is told of statements since they came.
    if (this.#isUntold) this.#sendsTogether = false;
    await Promise.all(groupByStatement(calls, 0, false).map((kind) => this.#sendCalls(kind.calls)));
  }

  /** One of them may have spoiled it for all. Whoever certainly got nothing from it goes by himself. */
  #onBatchFailure(
    calls: readonly QueuedCall[],
    { timedOutOnServer }: Deadline,
    error: unknown,
  ): void {
    if (isBatchUnsupported(error) && this.#joins) {
      this.#joins = false;
      this.#logger.warn(
        'The server does not take joined statements; going on without them. Set batching: false to say so from the start.',
      );
    }
    const isUndone = error instanceof NotCommittedError || error instanceof UnbindableValuesError;
    const mayGo = isUndone || isRolledBack(error);
    for (const call of calls) {
      call.deadline.timedOutOnServer ||= timedOutOnServer;
      if (mayGo) void runSingly(call);
      else call.reject(translateDatabaseError(error, false));
    }
  }

  async #runWithRetry(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
  ): Promise<StatementResult> {
    const say = (held: ConnectionLease): Promise<ExecutedStatement> =>
      held.send([said(statement, values)]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#runOnce(say, deadline);
      } catch (error) {
        if (error instanceof UnbindableValuesError) throw error.cause;
        if (isDuplicateKey(error)) return NO_ROWS_AFFECTED;
        const isUncommitted = error instanceof NotCommittedError;
        if (isUncommitted && attempt >= UNCOMMITTED_TRIES) {
          throw new TwoFactorConfigurationError(error.message);
        }
        const mayRetry = isUncommitted || isSerializationFailure(error);
        if (!mayRetry || attempt >= this.options.tries || deadline.expired) {
          throw translateDatabaseError(error, false);
        }
        await sleep(Math.random() * MAX_JITTER_MS);
      }
    }
  }

  async #runOnce(
    say: (held: ConnectionLease) => Promise<ExecutedStatement>,
    deadline: Deadline,
  ): Promise<StatementResult> {
    // The caller was told that it was too late; nothing may happen now.
    if (deadline.expired) throw databaseTimeoutError();
    const held = await this.#lease();
    try {
      if (isInLeftoverTransaction(held)) await this.#abortOnDeadline(deadline, held.rollBack());
      // From the last check of either condition to the statement there is no `await`: both still hold when it is issued.
      while (this.#isInsideOthersTransaction(held)) await this.#pause(deadline);
      if (deadline.expired) throw databaseTimeoutError();
      const answer = await this.#abortOnDeadline(deadline, say(held));
      if (this.#isInsideOthersTransaction(held)) throw openTransactionError();
      // An answer that a later rollback undoes is worse than none.
      if (answer.isUncommitted || isInLeftoverTransaction(held)) {
        await this.#abortOnDeadline(deadline, held.rollBack());
        throw new NotCommittedError();
      }
      return answer;
    } catch (error) {
      // Nobody answers on it, or only a server that takes no writes any more: the pool makes another one.
      if (deadline.timedOutOnServer || isReadOnly(error)) abandonConnection(held.raw);
      if (!held.isPrepared || !isPreparedStatementRefused(error)) throw error;
    } finally {
      await held.release();
    }
    this.#stopPreparing();
    return this.#runOnce(say, deadline);
  }

  #lease(): Promise<ConnectionLease> {
    const { dataSource, engine } = this;
    if (engine !== 'sqlite' && this.#isUntold) return acquireDriverConnection(dataSource, engine);
    return TypeOrmConnection.hold(dataSource, engine === 'postgres' && this.#isPrepared);
  }

  /** Whether statements are prepared, and TypeORM would tell nobody of them. */
  get #isUntold(): boolean {
    return this.#isPrepared && !this.#hasLogging();
  }

  get #isPrepared(): boolean {
    // The application's subscribers take queries for strings.
    return this.#prepares && !this.#hasQuerySubscribers();
  }

  #stopPreparing(): void {
    if (!this.#prepares) return;
    this.#prepares = false;
    this.#logger.warn(
      'The server or a pooler before it refuses prepared statements; going on without them. Set ' +
        'preparedStatements: false to say so from the start.',
    );
  }

  /**
   * TypeORM's SQLite drivers have one runner and one connection for all: what we write inside somebody's transaction is
   * undone by its rollback, after we answered.
   */
  #isInsideOthersTransaction(held: ConnectionLease): boolean {
    if (this.engine !== 'sqlite') return false;
    const { runner, raw } = held as TypeOrmConnection;
    // better-sqlite3 also knows of a BEGIN that TypeORM was not asked for.
    return (
      runner.isTransactionActive || (raw as SqliteConnection | undefined)?.inTransaction === true
    );
  }

  /** Whether TypeORM tells anybody of statements; it may be told to at any time. */
  #hasLogging(): boolean {
    const { logging, logger, maxQueryExecutionTime } = this.dataSource.options;
    return (
      Boolean(logging || maxQueryExecutionTime) ||
      typeof logger === 'object' ||
      this.dataSource.logger !== this.#silentLogger
    );
  }

  #hasQuerySubscribers(): boolean {
    return this.dataSource.subscribers.some(
      (subscriber) => subscriber.beforeQuery !== undefined || subscriber.afterQuery !== undefined,
    );
  }

  async #pause(deadline: Deadline): Promise<void> {
    const waited = performance.now() - deadline.startedAt;
    if (deadline.expired || waited >= OPEN_TRANSACTION_WAIT_MS) {
      throw openTransactionError();
    }
    await sleep(POLL_MS);
  }

  /** Gives a statement up that is under way when its deadline has passed. */
  #abortOnDeadline<T>(deadline: Deadline, query: Promise<T>): Promise<T> {
    const issuedAt = performance.now();
    return new Promise((resolve, reject) => {
      const giveUpNow = (): void => {
        deadline.timedOutOnServer = true;
        reject(databaseTimeoutError());
      };
      let timer: NodeJS.Timeout | undefined;
      const onPass = (): void => {
        // A caller who waited long for the pool must not end a statement that is young.
        const youth = issuedAt + this.options.timeoutMs / 2 - performance.now();
        if (youth > 0) timer = setTimeout(giveUpNow, youth);
        else giveUpNow();
      };
      // By its name: V8 makes a function that is written where a member is set for long, and keeps all it refers to as long.
      deadline.onExpire = onPass;
      const inTime =
        <A>(resolveCalls: (answer: A) => void) =>
        (answer: A): void => {
          deadline.onExpire = null;
          clearTimeout(timer);
          resolveCalls(answer);
        };
      query.then(inTime(resolve), inTime(reject));
    });
  }
}

function runSingly({ alone, resolve, reject }: QueuedCall): Promise<void> {
  return alone().then(resolve, reject);
}

/** Calls that have the statement for many in common. */
interface StatementGroup {
  readonly calls: QueuedCall[];
  /** The statement that each of them goes with; */
  one: Statement | undefined;
  /** else all go with this one. */
  readonly many: Statement;
  /** Whether that says something of each of them. */
  readonly isLast: boolean;
}

/** @param most of a kind that go with a statement each. */
function groupByStatement(
  calls: readonly QueuedCall[],
  most: number,
  isRest: boolean,
): readonly StatementGroup[] {
  const kinds = new Map<Statement, StatementGroup>();
  for (const call of calls) {
    const { batchStatement, singleStatement, followUpStatement = batchStatement } = call.batch;
    const kind = kinds.get(batchStatement);
    if (kind === undefined) {
      kinds.set(batchStatement, {
        calls: [call],
        one: most > 0 ? singleStatement : undefined,
        many: isRest ? followUpStatement : batchStatement,
        isLast: isRest || followUpStatement === batchStatement,
      });
    } else {
      kind.calls.push(call);
      if (kind.calls.length > most) kind.one = undefined;
    }
  }
  return [...kinds.values()];
}

function bindGroups(kinds: readonly StatementGroup[]): readonly BoundStatement[] {
  return kinds.flatMap(({ calls, one, many }) => {
    if (one) return calls.map(({ batch }) => said(one, batch.values));
    return [
      boundLazily(many, () => {
        const { sharedValues } = calls[0]!.batch;
        const rows = calls.map(({ batch }) => batch.values());
        return bindArrays(many, rows, sharedValues?.());
      }),
    ];
  });
}

function said(statement: Statement, values: () => SqlValues): BoundStatement {
  return boundLazily(statement, () => bindValues(statement, values()));
}

/** A mistake in making the values must not look like a failure of the database. */
function boundLazily(statement: Statement, bind: () => SqlValue[]): BoundStatement {
  try {
    return { statement, values: bind() };
  } catch (error) {
    throw new UnbindableValuesError('', { cause: error });
  }
}

/**
 * Each of them gets what is its own. Of whom the last statement says nothing goes by himself.
 *
 * @returns those of whom a statement said nothing that was not the last one.
 */
function settle(
  kinds: readonly StatementGroup[],
  rows: StatementResult['rows'],
): readonly QueuedCall[] {
  const answers = new Map(rows.map((row) => [row['key'], row]));
  const left: QueuedCall[] = [];
  for (const { calls, one, isLast } of kinds) {
    for (const call of calls) {
      const answer = answers.get(call.keys[0]);
      if (answer === undefined) {
        if (one === undefined && isLast) void runSingly(call);
        else left.push(call);
      } else if (answer['touched'] === true) {
        call.resolve({ rows: [answer], affected: 1 });
      } else {
        call.resolve(NO_ROWS_AFFECTED);
      }
    }
  }
  return left;
}

/** Of the one who waits longest from now on. */
function latestDeadline(calls: readonly QueuedCall[]): Deadline {
  let { deadline } = calls[0]!;
  for (const call of calls) {
    if (call.deadline.startedAt > deadline.startedAt) ({ deadline } = call);
  }
  return deadline;
}

interface SqliteConnection {
  readonly inTransaction?: boolean;
}

/** Values that cannot be made, and why. Nothing was sent. */
class UnbindableValuesError extends Error {}

/** Several statements were to go in one go, and the connection takes one only. None was sent. */
class PipelineUnsupportedError extends Error {}

/** The statement was part of a transaction of nobody, which was rolled back: it may be repeated. */
class NotCommittedError extends Error {
  constructor() {
    super(
      'The connections of the data source do not commit by themselves. Set autocommit = 1, and end every transaction ' +
        'before its query runner is released.',
    );
  }
}

/** `pg` knows what the server said last: I is idle, everything else a transaction. */
function isInLeftoverTransaction({ raw }: ConnectionLease): boolean {
  const { getTransactionStatus } = (raw ?? {}) as { getTransactionStatus?: () => string | null };
  return (getTransactionStatus?.call(raw) ?? 'I') !== 'I';
}

function openTransactionError(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'Another transaction is open on the only connection of this SQLite data source. Call this outside of it, or use ' +
      'PostgreSQL or MariaDB.',
  );
}
