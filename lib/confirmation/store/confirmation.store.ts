import type { DataSource, EntityManager } from 'typeorm';

import { lowestIdAt } from '../../crypto/index.js';
import {
  assertEntity,
  assertServerSettings,
  databaseTimeoutError,
  listValues,
  StatementRunner,
  tableNames,
  Deadline,
  type BatchSpec,
  type SqlValues,
  type Statement,
  type StatementResult,
  type StatementRunnerOptions,
  type TransactionSteps,
} from '../../database/index.js';
import type { Clock, PurposeAccess } from '../../options/index.js';
import {
  ConfirmationRecord,
  WRITE_ONLY_COLUMNS,
  type ConfirmationRow,
} from '../model/confirmation-record.entity.js';
import { subjectInColumn } from '../model/ascii-columns.js';
import { batchStatements, type BatchStatements } from './dialects/batch-statements.js';
import type { FactorTable, StatementContext } from './dialects/confirmation-dialect.js';
import type { QueuedMessage, QueueTable } from './dialects/queue-clauses.js';
import { confirmedByStatements } from './dialects/confirmed-by-statements.js';
import {
  endedConfirmations,
  purgeEnded,
  type EndedRows,
  type PurgedBatch,
} from './dialects/ended-rows.js';
import {
  confirmationStatements,
  queuedStatements,
  type BatchName,
  type ConfirmationStatements,
} from './dialects/statements.js';
import { QueuedWrites } from './queued-writes.js';
import { rowFromRecord, type NewConfirmation } from './row-mapping.js';
import { CallLists } from './call-lists.js';
import { recordedValues, type MessageValues, type UseValues } from './store-values.js';
import { batchSpecOf, UseStatements, type PreparedUse } from './use-statements.js';

export interface ConfirmationStoreOptions extends StatementRunnerOptions {
  /** Size of the key ring. */
  readonly keys: number;
  readonly purposes: PurposeAccess;
  /** Whether any purpose declares its senders. If none does, only calls that name senders compare the sender. @default false */
  readonly hasSenderRules?: boolean | undefined;
  /** Whether methods beside sent codes are configured. @default false */
  readonly hasMethods?: boolean | undefined;
  /** The table of queued messages; `null` where messages are not queued. @default null */
  readonly queue?: QueueTable | null | undefined;
  /** The table of the factors; `null` without methods beside codes. @default null */
  readonly factors?: FactorTable | null | undefined;
  readonly clock: Clock;
  /** How long a confirmed confirmation can be used, in milliseconds. */
  readonly useWithinMs: number;
}

/**
 * All SQL of the confirmations, except for the statements that also consume quotas (`AtomicWriter`, `JoinedUpdateWriter`) and
 * those by which a factor confirms (`FactorStore`). It knows neither codes nor secrets, and decides nothing. The time in a statement is
 * read when the statement is issued, after any wait.
 *
 * Literals of values begin with members of their own, and spread others after them: of a literal that begins with a spread,
 * V8 in Node 20 makes a new hidden class each time, and keeps it until a full collection.
 */
export class ConfirmationStore {
  private constructor(
    /** Executes the statements of the store, and those that writers have of their own. */
    readonly runner: StatementRunner,
    /** The engine, tables and purposes that the statements are built for, those of the writers too. */
    readonly context: StatementContext,
    private readonly statements: ConfirmationStatements,
    private readonly batches: BatchStatements | null,
    private readonly uses: UseStatements,
    /** The uses of proofs in a transaction that also changes the factors. */
    private readonly spends: UseStatements,
    private readonly queuedWrites: QueuedWrites | null,
    private readonly dead: EndedRows,
    /** The batches of calls on MySQL and MariaDB; `null` on other engines, and where the option `batching` is off. */
    private readonly lists: CallLists | null,
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
    const { keys, purposes, queue = null, factors = null } = options;
    const context = { engine: runner.engine, names, keys, purposes, queue, factors };
    const queued = queuedStatements(context);
    const batches = batchStatements(context);
    const statements = confirmationStatements(context);
    const lists = CallLists.open(runner, context, options.clock);
    return new ConfirmationStore(
      runner,
      context,
      statements,
      batches,
      new UseStatements(statements, confirmedByStatements(context), batches, lists, options),
      spendStatements(context, options),
      queued && new QueuedWrites(runner, queued, batches?.insertQueued?.many),
      endedConfirmations(context),
      lists,
      options,
    );
  }

  /**
   * Inserts a confirmation. False when its id is taken; nothing is written then.
   *
   * @param isNew whether the id was drawn for this row. An id that stands for an idempotency key may belong to a concurrent
   * repeat, and the statement then waits for its commit.
   */
  async insert(
    row: NewConfirmation,
    isNew: boolean,
    scope?: EntityManager | Deadline,
    queued: QueuedMessage | null = null,
  ): Promise<boolean> {
    if (queued !== null) {
      return hasAffectedRow(await this.queuedWrites!.insert(row, queued, isNew, scope));
    }
    const values = (): SqlValues => row;
    const { insert, insertUnlessTaken } = this.statements;
    if (!isNew) return hasAffectedRow(await this.runner.run(insertUnlessTaken, values, scope));
    const batch = this.#batchOf('insert', row.id, values);
    const single = (given = scope): Promise<StatementResult> =>
      this.runner.run(insert, values, given, batch);
    return hasAffectedRow(
      this.lists === null || isManager(scope)
        ? await single()
        : await this.lists.insert({ keys: [row.id], values: row, single }, scope),
    );
  }

  /** The record that a statement for `id` reads: `find`, or the one of a writer, which reads more columns. */
  async findRecord(
    statement: Statement,
    id: string,
    scope?: EntityManager | Deadline,
  ): Promise<StatementResult['rows'][number] | undefined> {
    const values = (): SqlValues => ({ id });
    const join = this.#batchOf('find', id, values);
    const single = (given = scope): Promise<StatementResult> =>
      this.runner.run(statement, values, given, join);
    const { rows } =
      this.lists === null || isManager(scope)
        ? await single()
        : await this.lists.find({ keys: [], values: { id }, single }, scope);
    return rows[0];
  }

  async find(id: string, scope?: EntityManager | Deadline): Promise<ConfirmationRow | null> {
    const record = await this.findRecord(this.statements.find, id, scope);
    return record === undefined ? null : rowFromRecord(record);
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
    const subject = scopedSubject && subjectInColumn(scopedSubject);
    let { now, useBefore } = this.times();
    const values = (): SqlValues => {
      ({ now, useBefore } = this.times());
      return { id, now, useBefore, scopedSubject: subject, ...listValues('codeMac', macs) };
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
   * Writes the quota keys of the current key ring into a row, unless a message was sent since it was read: the statement for that
   * message has written the keys of the phone number or address, which may have been unknown before.
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

  /** Runs several statements of one call under one deadline, which is as long as that of a single statement. */
  async withDeadline<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return this.runner.within(work);
  }

  /**
   * Runs the attempts of this process at one confirmation one after the other: the second one finds the confirmation ended before it
   * consumes a failure, unless its caller has read the row before. Then the guarded statement finds it ended, and the failure is refunded.
   *
   * @throws TwoFactorUnavailableError for a call that has waited too long.
   */
  async serializeAttempts<T>(id: string, work: () => Promise<T>, deadline?: Deadline): Promise<T> {
    const inTime = async (): Promise<T> => {
      if (deadline?.expired) throw databaseTimeoutError();
      return work();
    };
    return this.runner.serialize(`attempt ${id}`, inTime, deadline);
  }

  async confirmByHand(id: string): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id, ...this.times() });
    return this.#affectedRow(
      await this.runner.runExclusive(id, this.statements.confirmByHand, values),
      id,
    );
  }

  /** Uses the proof; true for one caller and false for every other. */
  async use(given: UseValues, manager?: EntityManager): Promise<boolean> {
    const bound = this.uses.prepare('use', given);
    return hasAffectedRow(
      manager === undefined
        ? await this.#useExclusively(given.id, bound)
        : await this.runner.run(bound.statement, bound.values, manager),
    );
  }

  /**
   * Uses the proof within a transaction of this package. Returns the row that was used; `null` for every other caller. Whether its
   * factor is there is asked later, while the row of the subject is locked: see `spendStatements`.
   */
  *useSteps(given: UseValues): TransactionSteps<ConfirmationRow | null> {
    const { statement, values } = this.spends.prepare('use', given);
    return hasAffectedRow(yield { statement, values: values() })
      ? yield* this.findSteps(given.id)
      : null;
  }

  /** As `find`, within a transaction of this package. */
  *findSteps(id: string): TransactionSteps<ConfirmationRow | null> {
    const { rows } = yield { statement: this.statements.find, values: { id } };
    return rows[0] === undefined ? null : rowFromRecord(rows[0]);
  }

  /** Reserves the proof for the call whose mark is `useKey`. Returns the row as it is then; `null` for every other caller. */
  async reserve(given: UseValues): Promise<ConfirmationRow | null> {
    const { id } = given;
    return this.#affectedRow(
      await this.#useExclusively(id, this.uses.prepare('reserve', given)),
      id,
    );
  }

  #useExclusively(
    id: string,
    { statement, values, batch, listed }: PreparedUse,
  ): Promise<StatementResult> {
    if (listed === null) return this.runner.runExclusive(id, statement, values, batch);
    const single = (deadline: Deadline): Promise<StatementResult> =>
      this.runner.run(statement, values, deadline);
    return listed({ keys: [id], values: values(), single }, undefined, id);
  }

  /** Turns the reservation under this mark into a use. False when there is none, or the transaction does not see it. */
  async useReserved(id: string, mark: string, manager?: EntityManager): Promise<boolean> {
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
    const result = await this.runner.runExclusive(id, this.statements.release, () => values);
    return hasAffectedRow(result);
  }

  /** Records one message in the row of its confirmation. `null` when another was recorded since `seen` was read, or none may be sent now. */
  async recordMessage(
    seen: ConfirmationRow,
    given: MessageValues,
    deadline?: Deadline,
    queued: QueuedMessage | null = null,
  ): Promise<ConfirmationRow | null> {
    const { id } = seen;
    const values = (): SqlValues => recordedValues(seen, given, this.options.clock.now(), queued);
    const recorded =
      queued === null
        ? await this.runner.runExclusive(id, this.statements.bind, values, null, deadline)
        : await this.queuedWrites!.recordMessage(id, values, deadline);
    return this.#affectedRow(recorded, id, deadline);
  }

  /** Lets a message that was not accepted be repeated before its cooldown is over. */
  async retrySooner({ id, sends }: ConfirmationRow, lastSentAt: number): Promise<void> {
    const values = { id, seenSends: sends, lastSentAt };
    await this.runner.runExclusive(id, this.statements.retrySooner, () => values);
  }

  /** Cancels a confirmation. The row as it is then; `null` when it was used, cancelled or unknown before. */
  async cancel(id: string): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id, now: this.options.clock.now() });
    const result = await this.runner.runExclusive(id, this.statements.cancel, values);
    return this.#affectedRow(result, id);
  }

  async erase(subject: string): Promise<number> {
    const values = { subject: subjectInColumn(subject) };
    return (await this.runner.run(this.statements.erase, () => values)).affected;
  }

  /** Deletes up to `limit` rows beyond the id `after` that could neither be confirmed nor used since `before` (epoch ms). */
  async purge(before: number, limit: number, after: string): Promise<PurgedBatch> {
    // Ids are ordered by time, and a row expires after it was made: no row with an id beyond the bound had expired at `before`.
    const bound = lowestIdAt(before);
    return purgeEnded(this.runner, this.dead, { after, bound, limit }, { before });
  }

  #batchOf(name: BatchName, id: string, values: () => SqlValues): BatchSpec | null {
    return batchSpecOf(this.batches, name, id, values);
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

/**
 * The statements of `useSteps`, without the condition that the factor is there: MySQL may lock what a subquery of an UPDATE reads, and
 * the row of the subject is locked before its factors.
 */
function spendStatements(
  context: StatementContext,
  options: ConfirmationStoreOptions,
): UseStatements {
  const terms = { ...context, factors: null };
  const [statements, byMethod] = [confirmationStatements(terms), confirmedByStatements(terms)];
  return new UseStatements(statements, byMethod, null, null, options);
}

function isManager(scope: EntityManager | Deadline | undefined): scope is EntityManager {
  return scope !== undefined && !(scope instanceof Deadline);
}

function hasAffectedRow({ rows, affected }: StatementResult): boolean {
  return rows.length > 0 || affected > 0;
}
