import type { DataSource, EntityManager } from 'typeorm';

import { idBound } from '../../crypto/index.js';
import {
  assertEntity,
  assertServerSettings,
  listValues,
  StatementRunner,
  tableNames,
  type Deadline,
  type BatchSpec,
  type SqlValues,
  type StatementResult,
  type StatementRunnerOptions,
} from '../../database/index.js';
import type { Clock, PurposeAccess } from '../../options/index.js';
import {
  ConfirmationRecord,
  WRITE_ONLY_COLUMNS,
  type ConfirmationRow,
} from '../model/confirmation-record.entity.js';
import { waysValue } from '../model/ways.js';
import { batchStatements, type BatchStatements } from './dialects/batch-statements.js';
import type { StatementContext } from './dialects/confirmation-dialect.js';
import {
  confirmationStatements,
  type BatchName,
  type ConfirmationStatements,
} from './dialects/statements.js';
import { rowFromRecord, type NewConfirmation } from './row-mapping.js';

export interface UseValues {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** One candidate for each key of the ring. */
  readonly detailsMacs: readonly string[];
  readonly useKey: string | null;
  /** The senders by one of which the code must have gone out; `null` for any. */
  readonly ways: readonly string[] | null;
}

export interface BindValues {
  readonly way: string;
  readonly envelope: string;
  readonly codeMac: string;
  readonly failureKeys: string | null;
  readonly maxSends: number;
  /** How long ago the last message must have gone out; 0 for a message that need not wait. */
  readonly cooldownMs: number;
}

export interface ConfirmationStoreOptions extends StatementRunnerOptions {
  /** Size of the key ring. */
  readonly keys: number;
  readonly purposes: PurposeAccess;
  /** Whether a purpose declares its senders. Without one no statement checks them. @default false */
  readonly hasWays?: boolean | undefined;
  readonly clock: Clock;
  /** From confirmed to used. */
  readonly useWithinMs: number;
}

/** What one batch of a purge deleted, and the id that the next one begins after; `null` when it was the last. */
export interface PurgedBatch {
  readonly affected: number;
  readonly end: string | null;
}

/**
 * All SQL of the confirmations, except for the statements that also consume quotas (`AtomicWriter`). It knows neither codes
 * nor secrets, and decides nothing. The time in a statement is read when the statement is issued, after any wait.
 *
 * Literals of values begin with members of their own, and spread others after them: of a literal that begins with a spread,
 * V8 in Node 20 makes a new hidden class each time, and keeps it until a full collection.
 */
export class ConfirmationStore {
  private constructor(
    /** For writers that execute statements of their own. */
    readonly runner: StatementRunner,
    /** What their statements are built for. */
    readonly context: StatementContext,
    private readonly statements: ConfirmationStatements,
    private readonly batches: BatchStatements | null,
    private readonly options: ConfirmationStoreOptions,
  ) {}

  /**
   * @throws TwoFactorConfigurationError when the data source does not know the entity, is of a foreign engine, or its
   * server is configured so that no guarantee would hold.
   */
  static async open(
    dataSource: DataSource,
    options: ConfirmationStoreOptions,
  ): Promise<ConfirmationStore> {
    assertEntity(dataSource, ConfirmationRecord);
    const runner = new StatementRunner(dataSource, options);
    await assertServerSettings(dataSource);
    const names = tableNames(dataSource, ConfirmationRecord, WRITE_ONLY_COLUMNS);
    const { keys, purposes } = options;
    const context = { engine: runner.engine, names, keys, purposes };
    return new ConfirmationStore(
      runner,
      context,
      confirmationStatements(context),
      batchStatements(context),
      options,
    );
  }

  /**
   * Returns false when the id is taken; nothing is written then.
   *
   * @param isNew whether the id was drawn for this row. An id that stands for an idempotency key may belong to a concurrent
   * repeat, and the statement then waits for its commit.
   */
  async insert(
    row: NewConfirmation,
    isNew: boolean,
    scope?: EntityManager | Deadline,
  ): Promise<boolean> {
    const values = (): SqlValues => row;
    const { insert, insertUnlessTaken } = this.statements;
    const result = isNew
      ? await this.runner.run(insert, values, scope, this.#batchOf('insert', row.id, values))
      : await this.runner.run(insertUnlessTaken, values, scope);
    return hasAffectedRow(result);
  }

  async find(id: string, scope?: EntityManager | Deadline): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id });
    const join = this.#batchOf('find', id, values);
    const { rows } = await this.runner.run(this.statements.find, values, scope, join);
    return rows[0] ? rowFromRecord(rows[0]) : null;
  }

  /**
   * Counts an attempt and compares the code, in one statement. `null` when there was nothing to compare: an unknown
   * confirmation, or one that is not pending.
   *
   * @param macs one candidate for each key of the ring.
   * @param scopedSubject the subject of the caller, to which every confirmation of another subject is unknown; empty for a
   * caller without a subject, `null` for an application, which may access all.
   */
  async confirm(
    id: string,
    macs: readonly string[],
    scopedSubject: string | null,
    deadline?: Deadline,
  ): Promise<{ row: ConfirmationRow; isConfirmed: boolean } | null> {
    let { now, useBefore } = this.times();
    const values = (): SqlValues => {
      ({ now, useBefore } = this.times());
      return { id, now, useBefore, scopedSubject, ...listValues('codeMac', macs) };
    };
    const join = this.#batchOf('confirm', id, values);
    const { confirm } = this.statements;
    const result = await this.runner.runExclusive(id, confirm, values, join, deadline);
    const row = await this.#affectedRow(result, id, deadline);
    if (row === null) return null;
    // Where a second statement reads the row, the row may have changed since. But a confirmed row keeps its MAC, so this is
    // our code and our time, or those of another caller with the same right code in the same millisecond.
    return { row, isConfirmed: row.confirmedAt === now && macs.includes(row.codeMac ?? '') };
  }

  /**
   * Writes the quota keys of the current key ring into a row, unless a message was sent since it was read: that has written
   * the keys of the token, which may have been unknown before.
   */
  async updateFailureKeys(
    { id, sends }: ConfirmationRow,
    failureKeys: string,
    deadline?: Deadline,
  ): Promise<void> {
    const values = { id, failureKeys, seenSends: sends };
    const { updateFailureKeys } = this.statements;
    await this.runner.runExclusive(id, updateFailureKeys, () => values, null, deadline);
  }

  /** Gives several statements of one call the time that one statement may take. */
  async within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return this.runner.within(work);
  }

  /** Runs the attempts of this process at one confirmation one after the other. A call that waits too long is refused. */
  async serializeAttempts<T>(id: string, work: () => Promise<T>, deadline?: Deadline): Promise<T> {
    return this.runner.serialize(`attempt ${id}`, work, deadline);
  }

  async confirmByHand(id: string): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id, ...this.times() });
    return this.#affectedRow(
      await this.runner.runExclusive(id, this.statements.confirmByHand, values),
      id,
    );
  }

  /** Uses the proof; true for one caller. */
  async use(given: UseValues, manager?: EntityManager): Promise<boolean> {
    const { id } = given;
    const name = this.#isByWay(given) ? 'useByWay' : 'use';
    const statement = this.statements[name];
    const values = (): SqlValues => this.#useValues(given);
    return hasAffectedRow(
      manager === undefined
        ? await this.runner.runExclusive(id, statement, values, this.#batchOf(name, id, values))
        : await this.runner.run(statement, values, manager),
    );
  }

  /** As `use`, for one call: `useKey` is its mark. Returns the row as it is then; `null` for every other caller. */
  async reserve(given: UseValues): Promise<ConfirmationRow | null> {
    const { id } = given;
    const name = this.#isByWay(given) ? 'reserveByWay' : 'reserve';
    const values = (): SqlValues => this.#useValues(given);
    const join = this.#batchOf(name, id, values);
    return this.#affectedRow(
      await this.runner.runExclusive(id, this.statements[name], values, join),
      id,
    );
  }

  /** Turns the reservation under this mark into a use. False when there is none, or the transaction does not see it. */
  async keepReserved(id: string, mark: string, manager?: EntityManager): Promise<boolean> {
    const { keepReserved } = this.statements;
    const values = (): SqlValues => ({ id, mark });
    return hasAffectedRow(
      manager === undefined
        ? await this.runner.runExclusive(id, keepReserved, values)
        : await this.runner.run(keepReserved, values, manager),
    );
  }

  /** Makes the proof that is reserved under this mark usable again, and counts a failed call. */
  async release(id: string, mark: string): Promise<boolean> {
    const values = { id, mark };
    return hasAffectedRow(
      await this.runner.runExclusive(id, this.statements.release, () => values),
    );
  }

  /** Counts one message. `null` when another message was faster, or the confirmation is not to be sent. */
  async bind(
    seen: ConfirmationRow,
    given: BindValues,
    deadline?: Deadline,
  ): Promise<ConfirmationRow | null> {
    const { id, sends: seenSends, createdAt: seenCreatedAt } = seen;
    const { cooldownMs, ...rest } = given;
    const values = (): SqlValues => {
      const now = this.options.clock.now();
      const sentBefore = cooldownMs === 0 ? Number.MAX_SAFE_INTEGER : now - cooldownMs;
      return { id, seenSends, seenCreatedAt, ...rest, now, sentBefore };
    };
    const { bind } = this.statements;
    const bound = await this.runner.runExclusive(id, bind, values, null, deadline);
    return this.#affectedRow(bound, id, deadline);
  }

  /** Lets a message that was not accepted be repeated before its cooldown is over. */
  async retrySooner({ id, sends }: ConfirmationRow, lastSentAt: number): Promise<void> {
    const values = { id, seenSends: sends, lastSentAt };
    await this.runner.runExclusive(id, this.statements.retrySooner, () => values);
  }

  /** The row that this call cancelled. */
  async cancel(id: string): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id, now: this.options.clock.now() });
    return this.#affectedRow(
      await this.runner.runExclusive(id, this.statements.cancel, values),
      id,
    );
  }

  async erase(subject: string): Promise<number> {
    return (await this.runner.run(this.statements.erase, () => ({ subject }))).affected;
  }

  /** Deletes up to `limit` rows beyond the id `after` that could neither be confirmed nor used since `before` (epoch ms). */
  async purge(before: number, limit: number, after: string): Promise<PurgedBatch> {
    // A row expires after it was made, so no row beyond the bound can qualify.
    const bound = idBound(before);
    const { rows } = await this.runner.run(this.statements.endOfBatch, () => ({
      after,
      bound,
      before,
      others: limit - 1,
    }));
    const end = rows[0] === undefined ? null : String(rows[0]['id']);
    const values = { after, last: end ?? bound, before };
    const { affected } = await this.runner.run(this.statements.purge, () => values);
    return { affected, end };
  }

  #batchOf(name: BatchName, id: string, values: () => SqlValues): BatchSpec | null {
    if (this.batches === null) return null;
    const {
      many: batchStatement,
      one: singleStatement,
      rest: followUpStatement,
    } = this.batches[name];
    return { batchStatement, singleStatement, followUpStatement, keys: [id], values };
  }

  /** One text for all calls of an application, so that calls for different purposes are batched together. */
  #isByWay({ ways }: UseValues): boolean {
    return ways !== null || this.options.hasWays === true;
  }

  #useValues({ id, purpose, subject, useKey, detailsMacs, ways: allowed }: UseValues): SqlValues {
    const now = this.options.clock.now();
    const ways = waysValue(allowed);
    return { id, purpose, subject, useKey, now, ways, ...listValues('detailsMac', detailsMacs) };
  }

  /** The time of a statement, and until when a proof that it confirms can be used. */
  times(): { now: number; useBefore: number } {
    const now = this.options.clock.now();
    return { now, useBefore: now + this.options.useWithinMs };
  }

  /** The row that an UPDATE has affected: as it returned it, or read after it where the engine returns none. */
  async #affectedRow(
    result: StatementResult,
    id: string,
    deadline?: Deadline,
  ): Promise<ConfirmationRow | null> {
    if (!hasAffectedRow(result)) return null;
    return result.rows[0] ? rowFromRecord(result.rows[0]) : this.find(id, deadline);
  }
}

function hasAffectedRow({ rows, affected }: StatementResult): boolean {
  return rows.length > 0 || affected > 0;
}
