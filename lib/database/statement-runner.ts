import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorUnavailableError,
} from '../errors/index.js';
import { answerOf, type Answer, type StatementResult } from './answer.js';
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
import { bindLists } from './given.js';
import { Deadlines, tooLate, type Deadline } from './deadline.js';
import type { HeldConnection, Said } from './held-connection.js';
import { Lanes } from './lanes.js';
import { Line, type Joinable } from './line.js';
import { pastTypeorm } from './past-typeorm.js';
import { bindValues, type SqlValue, type SqlValues, type Statement } from './statement.js';
import { ThroughTypeorm } from './through-typeorm.js';

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
export interface Join extends Joinable {
  /** For all calls of its kind: it takes `bindLists`. */
  readonly many: Statement;
  /** For those of whom neither `one` nor `many` said anything, where those say what they touched alone. */
  readonly rest?: Statement | undefined;
  /**
   * For this call alone, with the values of `row`: then it goes together with calls of other kinds, too, in one transaction.
   * Neither statement may ever wait for a row that somebody has locked.
   */
  readonly one?: Statement | undefined;
  /** What it gives, made when the statement is issued. */
  readonly row: () => SqlValues;
  /** Further values, the same for all, of a kind that has no `one`. */
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
/** Of a line of one kind: what two calls gain by going together they lose by waiting. */
const LONE_OF_A_KIND = 2;
/** So many of a kind at most go with a statement each, where they can: the one for many sets up more. */
const FEW = 3;
const NOTHING_TOUCHED: StatementResult = { rows: [], affected: 0 };
const MAX_JITTER_MS = 50;
/** A connection that was left in a transaction is mended by the first try. */
const UNCOMMITTED_TRIES = 3;

/** Runs the stores' statements: on a connection of our own within a deadline, or inside a caller's transaction. */
export class StatementRunner {
  readonly engine: Engine;
  readonly #deadlines: Deadlines;
  readonly #lanes = new Lanes();
  /** By their statement for many. */
  readonly #lines = new Map<Statement, Line<JoinedCall>>();
  /** Of all kinds. */
  readonly #line: Line<JoinedCall>;
  readonly #logger = new Logger(StatementRunner.name);
  /** TypeORM's own logger, which says nothing unless it is told to. */
  readonly #silent: unknown;
  #prepares: boolean;
  #joins: boolean;
  /** Whether the driver's connections take several statements in one go, as far as that is known. */
  #sendsTogether = true;

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: StatementRunnerOptions,
  ) {
    this.engine = engineOf(dataSource);
    this.#silent = dataSource.logger;
    this.#prepares = options.preparedStatements;
    this.#joins = options.maxBatchSize > 1;
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#line = this.#newLine(1);
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
    join?: Join | null,
  ): Promise<StatementResult> {
    if (manager !== undefined) return this.#inTransaction(statement, values, manager);
    return this.#deadlines.run((deadline) => this.#ownOrJoined(statement, values, deadline, join));
  }

  /** As `run`, without a manager, after those of the same lane. */
  runInLane(
    lane: string,
    statement: Statement,
    values: () => SqlValues,
    join?: Join | null,
  ): Promise<StatementResult> {
    return this.#deadlines.run((deadline) =>
      this.#lanes.run(lane, () => this.#ownOrJoined(statement, values, deadline, join), deadline),
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
      return answerOf(await runner.query(statement.text, bound, true));
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
      this.#lineOf(join).add({ keys: join.keys, join, deadline, resolve, reject, alone });
    });
  }

  #lineOf({ many, one }: Join): Line<JoinedCall> {
    if (one !== undefined && this.#sendsTogether && this.#isUntold) return this.#line;
    let line = this.#lines.get(many);
    if (line === undefined) {
      line = this.#newLine(LONE_OF_A_KIND);
      this.#lines.set(many, line);
    }
    return line;
  }

  #newLine(lone: number): Line<JoinedCall> {
    return new Line(this.options.maxBatchSize, lone, (calls) => this.#send(calls));
  }

  #send(calls: readonly JoinedCall[]): Promise<unknown> {
    if (calls.length === 1) return goAlone(calls[0]!);
    return this.#joins ? this.#sendTogether(calls) : Promise.all(calls.map(goAlone));
  }

  /** @param isRest whether they were said once and not answered. */
  async #sendTogether(calls: readonly JoinedCall[], isRest = false): Promise<void> {
    let kinds: readonly Kind[] = [];
    const say = (held: HeldConnection): Promise<Answer> => {
      // The others were told that it was too late; nothing may happen for them now.
      const members = calls.filter(({ deadline }) => !deadline.passed);
      kinds = kindsOf(members, held.sendsTogether && !isRest ? FEW : 0, isRest);
      const all = saidTogether(kinds);
      if (all.length > 1 && !held.sendsTogether) throw new ApartError();
      return held.send(all);
    };
    const deadline = latest(calls);
    try {
      const { rows } = await this.#once(say, deadline);
      const left = settle(kinds, rows);
      // Another statement knows of what was not touched whether somebody has locked it. Refused calls, as an attacker makes
      // many, are not to take a connection each.
      if (left.length > 1) void this.#sendTogether(left, true);
      else void left.map(goAlone);
      const said = new Set(kinds.flatMap((kind) => kind.calls));
      for (const call of calls) if (!said.has(call)) call.reject(tooLate());
    } catch (error) {
      if (error instanceof ApartError) await this.#sendApart(calls);
      else this.#refused(calls, deadline, error);
    }
  }

  async #sendApart(calls: readonly JoinedCall[]): Promise<void> {
    // Else somebody is told of statements since they came.
    if (this.#isUntold) this.#sendsTogether = false;
    await Promise.all(kindsOf(calls, 0, false).map((kind) => this.#send(kind.calls)));
  }

  /** One of them may have spoiled it for all. Whoever certainly got nothing from it goes by himself. */
  #refused(calls: readonly JoinedCall[], { isStuck }: Deadline, error: unknown): void {
    if (isJoiningRefused(error) && this.#joins) {
      this.#joins = false;
      this.#logger.warn(
        'The server does not take joined statements; going on without them. Set batching: false to say so from the start.',
      );
    }
    const isUndone = error instanceof UncommittedError || error instanceof UnsaidError;
    const mayGo = isUndone || isRolledBack(error);
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
    const say = (held: HeldConnection): Promise<Answer> => held.send([said(statement, values)]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(say, deadline);
      } catch (error) {
        if (error instanceof UnsaidError) throw error.cause;
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
    say: (held: HeldConnection) => Promise<Answer>,
    deadline: Deadline,
  ): Promise<StatementResult> {
    // The caller was told that it was too late; nothing may happen now.
    if (deadline.passed) throw tooLate();
    const held = await this.#hold();
    try {
      if (isInLeftTransaction(held)) await this.#untilStuck(deadline, held.rollBack());
      // From the last check of either condition to the statement there is no `await`: both still hold when it is issued.
      while (this.#isInForeignTransaction(held)) await this.#pause(deadline);
      if (deadline.passed) throw tooLate();
      const answer = await this.#untilStuck(deadline, say(held));
      if (this.#isInForeignTransaction(held)) throw foreignTransaction();
      // An answer that a later rollback undoes is worse than none.
      if (answer.isUncommitted || isInLeftTransaction(held)) {
        await this.#untilStuck(deadline, held.rollBack());
        throw new UncommittedError();
      }
      return answer;
    } catch (error) {
      // Nobody answers on it, or only a server that takes no writes any more: the pool makes another one.
      if (deadline.isStuck || isReadOnly(error)) giveUp(held.raw);
      if (!held.isPrepared || !isPreparedStatementRefused(error)) throw error;
    } finally {
      await held.release();
    }
    this.#goOnUnprepared();
    return this.#once(say, deadline);
  }

  #hold(): Promise<HeldConnection> {
    const { dataSource, engine } = this;
    if (engine !== 'sqlite' && this.#isUntold) return pastTypeorm(dataSource, engine);
    return ThroughTypeorm.hold(dataSource, engine === 'postgres' && this.#isPrepared);
  }

  /** Whether statements are prepared, and TypeORM would tell nobody of them. */
  get #isUntold(): boolean {
    return this.#isPrepared && !this.#isLogged();
  }

  get #isPrepared(): boolean {
    // The application's subscribers take queries for strings.
    return this.#prepares && !this.#isWatched();
  }

  #goOnUnprepared(): void {
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
  #isInForeignTransaction(held: HeldConnection): boolean {
    if (this.engine !== 'sqlite') return false;
    const { runner, raw } = held as ThroughTypeorm;
    // better-sqlite3 also knows of a BEGIN that TypeORM was not asked for.
    return (
      runner.isTransactionActive || (raw as SqliteConnection | undefined)?.inTransaction === true
    );
  }

  /** Whether TypeORM tells anybody of statements; it may be told to at any time. */
  #isLogged(): boolean {
    const { logging, logger, maxQueryExecutionTime } = this.dataSource.options;
    return (
      Boolean(logging || maxQueryExecutionTime) ||
      typeof logger === 'object' ||
      this.dataSource.logger !== this.#silent
    );
  }

  #isWatched(): boolean {
    return this.dataSource.subscribers.some(
      (subscriber) => subscriber.beforeQuery !== undefined || subscriber.afterQuery !== undefined,
    );
  }

  async #pause(deadline: Deadline): Promise<void> {
    const waited = performance.now() - deadline.startedAt;
    if (deadline.passed || waited >= FOREIGN_TRANSACTION_WAIT_MS) {
      throw foreignTransaction();
    }
    await sleep(POLL_MS);
  }

  /** Gives a statement up that is under way when its deadline has passed. */
  #untilStuck<T>(deadline: Deadline, query: Promise<T>): Promise<T> {
    const issuedAt = performance.now();
    return new Promise((resolve, reject) => {
      const giveUpNow = (): void => {
        deadline.isStuck = true;
        reject(tooLate());
      };
      let timer: NodeJS.Timeout | undefined;
      const onPass = (): void => {
        // A caller who waited long for the pool must not end a statement that is young.
        const youth = issuedAt + this.options.timeoutMs / 2 - performance.now();
        if (youth > 0) timer = setTimeout(giveUpNow, youth);
        else giveUpNow();
      };
      // By its name: V8 makes a function that is written where a member is set for long, and keeps all it refers to as long.
      deadline.onPass = onPass;
      const inTime =
        <A>(settle: (answer: A) => void) =>
        (answer: A): void => {
          deadline.onPass = null;
          clearTimeout(timer);
          settle(answer);
        };
      query.then(inTime(resolve), inTime(reject));
    });
  }
}

function goAlone({ alone, resolve, reject }: JoinedCall): Promise<void> {
  return alone().then(resolve, reject);
}

/** Calls that have the statement for many in common. */
interface Kind {
  readonly calls: JoinedCall[];
  /** The statement that each of them goes with; */
  one: Statement | undefined;
  /** else all go with this one. */
  readonly many: Statement;
  /** Whether that says something of each of them. */
  readonly isLast: boolean;
}

/** @param most of a kind that go with a statement each. */
function kindsOf(calls: readonly JoinedCall[], most: number, isRest: boolean): readonly Kind[] {
  const kinds = new Map<Statement, Kind>();
  for (const call of calls) {
    const { many, one, rest = many } = call.join;
    const kind = kinds.get(many);
    if (kind === undefined) {
      kinds.set(many, {
        calls: [call],
        one: most > 0 ? one : undefined,
        many: isRest ? rest : many,
        isLast: isRest || rest === many,
      });
    } else {
      kind.calls.push(call);
      if (kind.calls.length > most) kind.one = undefined;
    }
  }
  return [...kinds.values()];
}

function saidTogether(kinds: readonly Kind[]): readonly Said[] {
  return kinds.flatMap(({ calls, one, many }) => {
    if (one) return calls.map(({ join }) => said(one, join.row));
    return [
      saidBy(many, () => {
        const { shared } = calls[0]!.join;
        const rows = calls.map(({ join }) => join.row());
        return bindLists(many, rows, shared?.());
      }),
    ];
  });
}

function said(statement: Statement, values: () => SqlValues): Said {
  return saidBy(statement, () => bindValues(statement, values()));
}

/** A mistake in making the values must not look like a failure of the database. */
function saidBy(statement: Statement, bind: () => SqlValue[]): Said {
  try {
    return { statement, values: bind() };
  } catch (error) {
    throw new UnsaidError('', { cause: error });
  }
}

/**
 * Each of them gets what is its own. Of whom the last statement says nothing goes by himself.
 *
 * @returns those of whom a statement said nothing that was not the last one.
 */
function settle(kinds: readonly Kind[], rows: StatementResult['rows']): readonly JoinedCall[] {
  const answers = new Map(rows.map((row) => [row['key'], row]));
  const left: JoinedCall[] = [];
  for (const { calls, one, isLast } of kinds) {
    for (const call of calls) {
      const answer = answers.get(call.keys[0]);
      if (answer === undefined) {
        if (one === undefined && isLast) void goAlone(call);
        else left.push(call);
      } else if (answer['touched'] === true) {
        call.resolve({ rows: [answer], affected: 1 });
      } else {
        call.resolve(NOTHING_TOUCHED);
      }
    }
  }
  return left;
}

/** Of the one who waits longest from now on. */
function latest(calls: readonly JoinedCall[]): Deadline {
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
class UnsaidError extends Error {}

/** Several statements were to go in one go, and the connection takes one only. None was sent. */
class ApartError extends Error {}

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
function isInLeftTransaction({ raw }: HeldConnection): boolean {
  const { getTransactionStatus } = (raw ?? {}) as { getTransactionStatus?: () => string | null };
  return (getTransactionStatus?.call(raw) ?? 'I') !== 'I';
}

function foreignTransaction(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'Another transaction is open on the only connection of this SQLite data source. Call this outside of it, or use ' +
      'PostgreSQL or MariaDB.',
  );
}
