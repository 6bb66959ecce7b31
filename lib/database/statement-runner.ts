import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

import { TwoFactorInputError, TwoFactorUnavailableError } from '../errors/index.js';
import {
  isLostRace,
  isPreparedStatementRefused,
  translateDatabaseError,
} from './database-error.js';
import { dataSourceOf } from './data-source-of.js';
import { engineOf, type Engine } from './engine.js';
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
const MAX_JITTER_MS = 50;

/** Runs the stores' statements: on a connection of our own within a deadline, or inside a caller's transaction. */
export class StatementRunner {
  readonly engine: Engine;
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
   * of that transaction, never retried.
   */
  async run(
    statement: Statement,
    values: SqlValues,
    manager?: EntityManager,
  ): Promise<StatementResult> {
    const parameters = bindValues(statement, values);
    if (manager) return this.#inTransaction(statement, parameters, manager);
    return this.#withDeadline((deadline) => this.#own(statement, parameters, deadline));
  }

  async #inTransaction(
    statement: Statement,
    parameters: SqlValue[],
    manager: EntityManager,
  ): Promise<StatementResult> {
    const runner = this.#transactionOf(manager);
    try {
      return resultOf(await runner.query(statement.text, parameters, true));
    } catch (error) {
      throw translateDatabaseError(error, true);
    }
  }

  #transactionOf(manager: EntityManager): QueryRunner {
    const runner = manager.queryRunner;
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
    parameters: SqlValue[],
    deadline: Deadline,
  ): Promise<StatementResult> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(statement, parameters, deadline);
      } catch (error) {
        if (!isLostRace(error) || attempt >= this.options.tries || deadline.passed) {
          throw translateDatabaseError(error, false);
        }
        await sleep(Math.random() * MAX_JITTER_MS);
      }
    }
  }

  async #once(
    statement: Statement,
    parameters: SqlValue[],
    deadline: Deadline,
  ): Promise<StatementResult> {
    // `master`: a replica may not have the row yet, and decides nothing.
    const runner = this.dataSource.createQueryRunner('master');
    try {
      await runner.connect();
      // From the last check of either condition to the statement there is no `await`: both still hold when it is issued.
      while (this.#isInForeignTransaction(runner)) await this.#pause(deadline);
      // The caller was told that it was too late; nothing may happen now.
      if (deadline.passed) throw tooLate();
      const result = resultOf(await this.#query(runner, statement, parameters));
      // sql.js saves its file on release, but not while a transaction is open: no answer before it is saved.
      if (this.dataSource.options.type === 'sqljs') {
        while (this.#isInForeignTransaction(runner)) await this.#pause(deadline);
      }
      return result;
    } finally {
      await runner.release();
    }
  }

  async #query(
    runner: QueryRunner,
    statement: Statement,
    parameters: SqlValue[],
  ): Promise<unknown> {
    if (!this.#named) return runner.query(statement.text, parameters, true);
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
  #isInForeignTransaction(runner: QueryRunner): boolean {
    return this.engine === 'sqlite' && runner.isTransactionActive;
  }

  async #pause(deadline: Deadline): Promise<void> {
    const waited = Date.now() - deadline.startedAt;
    if (deadline.passed || waited >= FOREIGN_TRANSACTION_WAIT_MS) {
      throw new TwoFactorUnavailableError(
        'Another transaction is open on the only connection of this SQLite data source. Call this outside of it, or use ' +
          'PostgreSQL or MariaDB.',
      );
    }
    await sleep(POLL_MS);
  }

  async #withDeadline<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline: Deadline = { passed: false, startedAt: Date.now() };
    let timer: NodeJS.Timeout | undefined;
    const passes = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        deadline.passed = true;
        reject(tooLate());
      }, this.options.timeoutMs);
    });
    try {
      return await Promise.race([work(deadline), passes]);
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Deadline {
  passed: boolean;
  readonly startedAt: number;
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
