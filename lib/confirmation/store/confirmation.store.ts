import { Logger } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';

import { idBound } from '../../crypto/index.js';
import {
  assertEntity,
  assertServerSettings,
  isStatementUnsupported,
  listValues,
  StatementRunner,
  tableNames,
  type Deadline,
  type BatchSpec,
  type SqlValues,
  type StatementResult,
  type StatementRunnerOptions,
} from '../../database/index.js';
import { TwoFactorUnavailableError } from '../../errors/index.js';
import type { CreationQuota, QuotaKeys, LimitClauses, QuotaUsage } from '../../limits/index.js';
import type { Clock, PurposeAccess } from '../../options/index.js';
import {
  ConfirmationRecord,
  UNREAD,
  type ConfirmationRow,
} from '../model/confirmation-record.entity.js';
import {
  atomicStatements,
  type VerifyOutcome,
  type AtomicStatements,
} from './dialects/atomic-statements.js';
import { batchStatements, type BatchStatements } from './dialects/batch-statements.js';
import {
  confirmationStatements,
  type ConfirmationStatements,
  type BatchName,
} from './dialects/statements.js';
import { parseFrozen } from '../model/plain-json.js';
import { waysValue } from '../model/ways.js';

export type NewConfirmation = Pick<
  ConfirmationRow,
  | 'id'
  | 'purpose'
  | 'subject'
  | 'detailsMac'
  | 'maxAttempts'
  | 'createdAt'
  | 'expiresAt'
  | 'way'
  | 'codeMac'
  | 'envelope'
  | 'sends'
  | 'lastSentAt'
  | 'confirmedAt'
  | 'useBefore'
> &
  QuotaKeys & {
    /** JSON texts. */
    readonly details: string | null;
    readonly meta: string | null;
  };

export interface UseValues {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** One candidate for each key of the ring. */
  readonly detailsMacs: readonly string[];
  readonly useKey: string | null;
  /** By which it must have come; `null` for any. */
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
  /** Whether a purpose says by which ways it is confirmed: else no statement asks for them. @default false */
  readonly hasWays?: boolean | undefined;
  readonly clock: Clock;
  /** From confirmed to used. */
  readonly useWithinMs: number;
  /** Where the statements can charge what they cost; `null` where that is charged apart. */
  readonly limits?:
    { readonly clauses: LimitClauses; readonly values: SqlValues } | null | undefined;
}

/** What became of a code whose failure its own statement charged. */
export type AtomicVerification =
  | {
      readonly outcome: 'compared';
      readonly row: ConfirmationRow;
      /** Those of its budgets that lock now. */
      readonly locks: readonly QuotaUsage[];
    }
  | { readonly outcome: 'ended'; readonly row: ConfirmationRow }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'refused' };

/** What one batch of a purge deleted, and the id that the next one begins after; `null` when it was the last. */
export interface PurgedBatch {
  readonly affected: number;
  readonly end: string | null;
}

/**
 * All SQL of the confirmations. It knows neither codes nor secrets, and decides nothing. The time in a statement is that
 * of its issue, whatever it waited for before.
 *
 * Values that are made for each call begin with members of their own, and what is spread comes after them: of a literal
 * that begins with a spread, and has more, Node 20's V8 makes a hidden class anew each time, and keeps it until a full
 * collection.
 */
export class ConfirmationStore {
  readonly #logger = new Logger(ConfirmationStore.name);
  #atomic: AtomicStatements | null;

  private constructor(
    private readonly runner: StatementRunner,
    private readonly statements: ConfirmationStatements,
    private readonly batches: BatchStatements | null,
    charging: AtomicStatements | null,
    private readonly options: ConfirmationStoreOptions,
  ) {
    this.#atomic = charging;
  }

  /**
   * @throws TwoFactorConfigurationError when the data source does not know the entity, is of a foreign engine, or its
   * server is set up so that nothing would hold.
   */
  static async open(
    dataSource: DataSource,
    options: ConfirmationStoreOptions,
  ): Promise<ConfirmationStore> {
    assertEntity(dataSource, ConfirmationRecord);
    const runner = new StatementRunner(dataSource, options);
    await assertServerSettings(dataSource);
    const names = tableNames(dataSource, ConfirmationRecord, UNREAD);
    const { keys, purposes, limits = null } = options;
    const terms = { engine: runner.engine, names, keys, purposes };
    const statements = confirmationStatements(terms);
    const joined = batchStatements(terms);
    const charging = limits && atomicStatements(terms, limits.clauses);
    return new ConfirmationStore(runner, statements, joined, charging, options);
  }

  /**
   * False when the id is taken, and nothing is written then.
   *
   * @param isNew whether the id was drawn, so that nobody else has it; another one may be somebody's, who is waited for.
   */
  async insert(row: NewConfirmation, isNew: boolean, manager?: EntityManager): Promise<boolean> {
    const values = (): SqlValues => row;
    const { insert, insertUnlessTaken } = this.statements;
    const result = isNew
      ? await this.runner.run(insert, values, manager, this.#batchOf('insert', row.id, values))
      : await this.runner.run(insertUnlessTaken, values, manager);
    return hasAffectedRow(result);
  }

  async find(id: string, manager?: EntityManager): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id });
    const join = this.#batchOf('find', id, values);
    const { rows } = await this.runner.run(this.statements.find, values, manager, join);
    return rows[0] ? rowFromRecord(rows[0]) : null;
  }

  /** Whether `insertCharging` and `confirmCharging` can be had. */
  get supportsAtomicWrite(): boolean {
    return this.#atomic !== null;
  }

  /**
   * Inserts it if all that it costs can be charged, in one statement; `null` where there is no such statement.
   *
   * @returns whether it did, and which budgets it charged in vain because somebody came in between.
   */
  async createAtomically(
    row: NewConfirmation,
    { rows, owner, exclusive }: CreationQuota,
  ): Promise<{ readonly isMade: boolean; readonly inVain: readonly string[] } | null> {
    return this.#tryAtomically(async ({ one, many }) => {
      const charges = (): readonly unknown[] => rows(this.options.clock.now());
      const result = await this.runner.run(
        one.insert,
        () => ({ owner, charges: JSON.stringify(charges()), ...this.#shared(), ...row }),
        undefined,
        {
          batchStatement: many.insert,
          keys: [row.id, ...exclusive],
          values: () => ({ owner, charges: JSON.stringify(charges()), ...row }),
          sharedValues: () => this.#shared(),
        },
      );
      const { isMade = false, inVain = null } = (result.rows[0] ?? {}) as {
        isMade?: boolean;
        inVain?: string | null;
      };
      return { isMade, inVain: inVain === null ? [] : inVain.split(',') };
    });
  }

  /**
   * Charges a failure of all whom the confirmation is about, and an attempt, and compares; a right code ends the failures
   * and frees the place. `null` where there is no such statement.
   *
   * @param macs one candidate for each key of the ring.
   * @param owner of its place.
   * @param whose as of `confirm`.
   */
  async verifyAtomically(
    id: string,
    macs: readonly string[],
    owner: string,
    whose: string | null,
  ): Promise<AtomicVerification | null> {
    const values = (shared?: SqlValues): SqlValues => {
      return { id, owner, whose, ...listValues('codeMac', macs), ...shared };
    };
    return this.#tryAtomically(async ({ one, many }) => {
      const result = await this.runner.runExclusive(id, one.confirm, () => values(this.#shared()), {
        batchStatement: many.confirm,
        keys: [id],
        values: () => values(),
        sharedValues: () => this.#shared(),
      });
      const [row] = result.rows;
      const { outcome = 'refused', locks } = (row ?? {}) as {
        outcome?: VerifyOutcome;
        locks?: QuotaUsage[] | null;
      };
      if (outcome === 'compared') return { outcome, row: rowFromRecord(row!), locks: locks ?? [] };
      return outcome === 'ended' ? { outcome, row: rowFromRecord(row!) } : { outcome };
    });
  }

  /**
   * Charges an attempt and compares. `null` when there was nothing to charge: unknown, or not pending.
   *
   * @param macs one candidate for each key of the ring.
   * @param whose only one that this subject may touch; empty for nobody, null for one that anybody may.
   */
  async confirm(
    id: string,
    macs: readonly string[],
    whose: string | null,
  ): Promise<{ row: ConfirmationRow; confirmed: boolean } | null> {
    let { now, useBefore } = this.#times();
    const values = (): SqlValues => {
      ({ now, useBefore } = this.#times());
      return { id, now, useBefore, whose, ...listValues('codeMac', macs) };
    };
    const join = this.#batchOf('confirm', id, values);
    const result = await this.runner.runExclusive(id, this.statements.confirm, values, join);
    const row = await this.#affectedRow(result, id);
    if (row === null) return null;
    // Where the row is read by a second statement, it may have moved on: but a confirmed row keeps its MAC for ever, so
    // this is our code and our time, or that of somebody who typed the same right code in the same millisecond.
    return { row, confirmed: row.confirmedAt === now && macs.includes(row.codeMac ?? '') };
  }

  /** Several statements of one call, within the time of one. */
  async within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return this.runner.within(work);
  }

  /** One after the other, in this process; whoever waits too long for his turn is refused. */
  async serializeAttempts<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.runner.serialize(`attempt ${id}`, work);
  }

  async confirmByHand(id: string): Promise<ConfirmationRow | null> {
    const values = (): SqlValues => ({ id, ...this.#times() });
    return this.#affectedRow(
      await this.runner.runExclusive(id, this.statements.confirmByHand, values),
      id,
    );
  }

  /** Spends the proof; true for one caller. */
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

  /** Charges one message. `null` when somebody was faster or the confirmation is not to be sent. */
  async bind(seen: ConfirmationRow, values: BindValues): Promise<ConfirmationRow | null> {
    const { id, sends: seenSends, createdAt: seenCreatedAt } = seen;
    const { cooldownMs, ...rest } = values;
    const bound = await this.runner.runExclusive(id, this.statements.bind, () => {
      const now = this.options.clock.now();
      const sentBefore = cooldownMs === 0 ? Number.MAX_SAFE_INTEGER : now - cooldownMs;
      return { id, seenSends, seenCreatedAt, ...rest, now, sentBefore };
    });
    return this.#affectedRow(bound, id);
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

  /** Of a statement that charges: the same for all calls in it. */
  #shared(): SqlValues {
    const { now, useBefore } = this.#times();
    return { now, useBefore, ...this.options.limits?.values };
  }

  /** PostgreSQL's relatives may know less. */
  async #tryAtomically<T>(work: (statements: AtomicStatements) => Promise<T>): Promise<T | null> {
    if (this.#atomic === null) return null;
    try {
      return await work(this.#atomic);
    } catch (error) {
      if (!isStatementUnsupported(error)) throw error;
      if (this.#atomic !== null) {
        this.#logger.warn(
          'The server does not take statements that also charge limits; going on with several for each call.',
        );
      }
      this.#atomic = null;
      return null;
    }
  }

  #times(): { now: number; useBefore: number } {
    const now = this.options.clock.now();
    return { now, useBefore: now + this.options.useWithinMs };
  }

  /** The row an UPDATE touched: as it answered it, or read after it where the engine answers none. */
  async #affectedRow(result: StatementResult, id: string): Promise<ConfirmationRow | null> {
    if (!hasAffectedRow(result)) return null;
    return result.rows[0] ? rowFromRecord(result.rows[0]) : this.find(id);
  }
}

/** As it is when it has just been made. */
export function rowAfterInsert(row: NewConfirmation): ConfirmationRow {
  return {
    id: row.id,
    purpose: row.purpose,
    subject: row.subject,
    details: json(row.details),
    detailsMac: row.detailsMac,
    meta: json(row.meta),
    maxAttempts: row.maxAttempts,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    way: row.way,
    codeMac: row.codeMac,
    envelope: row.envelope,
    attempts: 0,
    sends: row.sends,
    lastSentAt: row.lastSentAt,
    confirmedAt: row.confirmedAt,
    useBefore: row.useBefore,
    usedAt: null,
    useKey: null,
    cancelledAt: null,
  };
}

function hasAffectedRow({ rows, affected }: StatementResult): boolean {
  return rows.length > 0 || affected > 0;
}

function rowFromRecord(raw: Readonly<Record<string, unknown>>): ConfirmationRow {
  const record = raw as unknown as Record<keyof ConfirmationRecord, string & number>;
  return {
    id: record.id,
    purpose: record.purpose,
    subject: record.subject,
    details: json(record.details),
    detailsMac: record.detailsMac,
    meta: json(record.meta),
    maxAttempts: Number(record.maxAttempts),
    createdAt: Number(record.createdAt),
    expiresAt: Number(record.expiresAt),
    way: record.way,
    codeMac: record.codeMac,
    envelope: record.envelope,
    attempts: Number(record.attempts),
    sends: Number(record.sends),
    lastSentAt: time(record.lastSentAt),
    confirmedAt: time(record.confirmedAt),
    useBefore: time(record.useBefore),
    usedAt: time(record.usedAt),
    useKey: record.useKey,
    cancelledAt: time(record.cancelledAt),
  };
}

function time(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

function json(text: string | null): unknown {
  return text === null ? null : stored(text);
}

/** A row that was changed by hand must not end a call with an error that is not of this package. */
function stored(text: string): unknown {
  try {
    return parseFrozen(text);
  } catch (cause) {
    throw new TwoFactorUnavailableError(
      'A confirmation holds details or meta that are no JSON: its row was changed by hand. Restore it, or delete it.',
      { cause },
    );
  }
}
