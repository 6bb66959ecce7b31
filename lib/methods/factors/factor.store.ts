import type { DataSource, EntityManager } from 'typeorm';

import {
  purgeEnded,
  rowFromRecord,
  subjectInColumn,
  type ConfirmationRow,
  type ConfirmationStore,
  type EndedRows,
  type FactorTable,
  type FactorUpkeep,
  type IdWindow,
  type PurgedBatch,
} from '../../confirmation/index.js';
import { drawBytes, lowestIdAt, idFromHash, plainHash } from '../../crypto/index.js';
import {
  assertEntity,
  tableNames,
  type Deadline,
  type SqlValues,
  type StatementRunner,
  type TransactionSteps,
} from '../../database/index.js';
import {
  USE_WITHIN_SECONDS,
  type ConfiguredMethods,
  type ResolvedOptions,
} from '../../options/index.js';
import type { ChangeCondition } from './change-condition.js';
import { FactorMethod, type FactorWrite, type SubjectFactors } from './factor-method.js';
import {
  FactorRecord,
  factorFromRecord,
  SPENT_CODE,
  SUBJECT_ROW,
  type FactorRow,
  type StoredFactor,
} from './factor-record.entity.js';
import { FactorSeals } from './factor-seals.js';
import {
  endedFactors,
  factorStatements,
  settleStatements,
  type FactorStatements,
  type SettleStatements,
} from './factor-statements.js';

/** How long an enrolment can be activated. */
export const ENROLMENT_MS = 900_000;
/**
 * How long an expired device, or a used recovery code, is kept after its end. What it has confirmed just before may still be used, and a
 * proof whose factor is gone is refused.
 */
const KEPT_MS = USE_WITHIN_SECONDS.max * 1_000;
/**
 * How far back a background purge looks. The id of a device carries the time at which its confirmation was made, up to a day
 * before the device was remembered. The window of two days therefore contains every device whose life has just ended. What is
 * older confirms nothing, and a complete purge deletes it.
 */
const PURGE_LOOKBACK_MS = 2 * 86_400_000;
const USER_HANDLE_BYTES = 32;

type StoreOptions = Pick<ResolvedOptions, 'application' | 'clock' | 'keyRing' | 'methods'>;

/** A confirmation that a factor is to confirm. */
export interface Settlement {
  readonly id: string;
  readonly method: string;
  readonly factorId: string;
  readonly activatedAt: number;
  readonly write: FactorWrite;
  /** The time step of an app, or the counter of a passkey. */
  readonly counter: number;
}

/** Thrown to roll a settlement back when one of its two writes, to the confirmation and to the factor, affected no row. */
class HalfSettledError extends Error {}

/** All SQL of the factors. It opens what it reads by `FactorSeals`, so that no reader can forget to ask whether a factor is intact. */
export class FactorStore implements FactorUpkeep {
  private constructor(
    readonly statements: FactorStatements,
    private readonly settlements: SettleStatements | null,
    private readonly ended: EndedRows,
    readonly confirmations: ConfirmationStore,
    readonly seals: FactorSeals,
    private readonly options: StoreOptions,
    private readonly condition: ChangeCondition | null = null,
  ) {}

  /** @throws TwoFactorConfigurationError when the data source does not know the entity. */
  static open(
    dataSource: DataSource,
    confirmations: ConfirmationStore,
    options: StoreOptions,
  ): FactorStore {
    assertEntity(dataSource, FactorRecord);
    const { context } = confirmations;
    const names = tableNames(dataSource, FactorRecord);
    return new FactorStore(
      factorStatements(context, names),
      settleStatements(context, names),
      endedFactors(context, names),
      confirmations,
      new FactorSeals(options.keyRing),
      options,
    );
  }

  /** A store of the same factors whose changes are made only where the condition holds in their transaction. */
  requiring(condition: ChangeCondition): FactorStore {
    const { statements, settlements, ended, confirmations, seals, options } = this;
    return new FactorStore(
      statements,
      settlements,
      ended,
      confirmations,
      seals,
      options,
      condition,
    );
  }

  /**
   * Runs the statements of one call in the transaction of its manager, or under one deadline. With a deadline of its own, each statement
   * could wait for the whole time.
   */
  async runInScope<T>(
    manager: EntityManager | undefined,
    work: (scope: EntityManager | Deadline) => Promise<T>,
  ): Promise<T> {
    return manager === undefined ? this.#runner.within(work) : work(manager);
  }

  /** All factors of a subject, pending ones too. */
  async list(subject: string, scope?: EntityManager | Deadline): Promise<readonly FactorRow[]> {
    return (await this.read(subject, scope)).factors;
  }

  /** Reads the factors and the user handle of a subject, in one statement. */
  async read(subject: string, scope?: EntityManager | Deadline): Promise<SubjectFactors> {
    const values = this.scopeOf(subject);
    const { rows } = await this.#runner.run(this.statements.list, () => values, scope);
    return this.#subjectFrom(rows, subject);
  }

  /**
   * Those of the factors that count now. An authenticator that is not intact counts whatever its row says about its end: a writer to the
   * database could otherwise let it expire, and a sent code would pay in its place.
   */
  activeOf(factors: readonly FactorRow[]): readonly FactorRow[] {
    const now = this.options.clock.now();
    return factors.filter(
      ({ activatedAt, expiresAt, isIntact }) =>
        activatedAt !== null && (expiresAt === null || expiresAt > now || !isIntact),
    );
  }

  /** The factors of a subject that count now: the active ones, and authenticators that are not intact. See `activeOf`. */
  async active(subject: string, scope?: EntityManager | Deadline): Promise<readonly FactorRow[]> {
    return this.activeOf((await this.read(subject, scope)).factors);
  }

  /**
   * Changes the factors of a subject, one change after the other: each first writes the subject's row. The locks are taken in
   * one order, the subject's row and then its factors, which rules out deadlocks with other changes.
   *
   * @param change is given the rows of all factors, those too that are not intact.
   */
  async change<T>(
    subject: string,
    change: (stored: readonly FactorRow[], subject: SubjectFactors) => TransactionSteps<T>,
    scope?: EntityManager | Deadline,
  ): Promise<T> {
    const { statements, condition } = this;
    const ofSubject = this.scopeOf(subject);
    const row = this.rowScopeOf(subject);
    const id = this.subjectRowId(subject);
    const data = drawBytes(USER_HANDLE_BYTES).toString('base64url');
    const now = this.options.clock.now();
    const subjectFrom = this.#subjectFrom.bind(this);
    return this.#runner.transaction(function* () {
      if (condition !== null) yield* condition.before();
      yield { statement: statements.touchSubject, values: { id, data, now, ...row } };
      const { rows } = yield { statement: statements.listInTransaction, values: ofSubject };
      const known = subjectFrom(rows, subject);
      condition?.judge(known);
      return yield* change(known.stored, known);
    }, scope);
  }

  /**
   * Whether there is a confirmation, which stays until the transaction ends. It is the first statement of a change: confirmations are
   * locked before factors.
   */
  *lockConfirmation(id: string): TransactionSteps<boolean> {
    const { rows } = yield { statement: this.statements.keepConfirmation, values: { id } };
    return rows.length > 0;
  }

  /** Counts one attempt; `null` when the confirmation has ended, or does not allow the method. */
  async countAttempt(
    id: string,
    method: string,
    deadline?: Deadline,
  ): Promise<ConfirmationRow | null> {
    const { rows, affected } = await this.#runner.runExclusive(
      id,
      this.statements.countAttempt,
      () => ({ id, allowing: methodsLikePattern(method), now: this.options.clock.now() }),
      null,
      deadline,
    );
    if (rows[0]) return rowFromRecord(rows[0]);
    return affected > 0 ? this.confirmations.find(id, deadline) : null;
  }

  /** Takes back what `countAttempt` has counted. It is not repeated after an error: it could count twice. */
  async uncountAttempt(id: string): Promise<void> {
    const values = (): SqlValues => ({ id, now: this.options.clock.now() });
    await this.#runner.runExclusive(id, this.statements.uncountAttempt, values);
  }

  /**
   * Confirms, and spends the factor: both, or neither. `null` when a concurrent call has ended the confirmation, has spent the
   * factor, or has removed it.
   */
  async settle(
    settlement: Settlement,
    deadline: Deadline | undefined,
  ): Promise<ConfirmationRow | null> {
    const { id, method, write } = settlement;
    const values = (): SqlValues => ({
      ...settlement,
      ...this.confirmations.times(),
      allowing: methodsLikePattern(method),
    });
    if (this.settlements === null) return this.#settleInSteps(id, write, values, deadline);
    const statement = this.settlements[write];
    const { rows } = await this.#runner.runExclusive(id, statement, values, null, deadline);
    return rows[0] ? rowFromRecord(rows[0]) : null;
  }

  /** Settles for engines whose UPDATE cannot change two tables: the confirmation first, in the order of all locks. */
  async #settleInSteps(
    id: string,
    write: FactorWrite,
    values: () => SqlValues,
    deadline: Deadline | undefined,
  ): Promise<ConfirmationRow | null> {
    const { statements } = this;
    const confirm = write === 'spend' ? statements.confirm : statements.confirmUnlocked;
    const settle = function* (): TransactionSteps<ConfirmationRow> {
      const given = values();
      for (const statement of [confirm, statements[write]]) {
        const { affected } = yield { statement, values: given };
        if (affected !== 1) throw new HalfSettledError();
      }
      const { rows } = yield { statement: statements.findConfirmation, values: given };
      return rowFromRecord(rows[0]!);
    };
    try {
      // The calls of this process for one confirmation run one after the other. Otherwise each would hold a connection to wait for its row.
      const work = (): Promise<ConfirmationRow> => this.#runner.transaction(settle, deadline);
      return await this.#runner.serialize(`settle ${id}`, work, deadline);
    } catch (error) {
      if (error instanceof HalfSettledError) return null;
      throw error;
    }
  }

  /**
   * Deletes all that is stored of a subject, its row too, as one of its changes: a statement alone would not see, and leave behind, the
   * recovery codes of an activation that commits meanwhile.
   */
  async erase(subject: string): Promise<void> {
    const step = { statement: this.statements.removeAll, values: this.scopeOf(subject) };
    await this.change(subject, function* () {
      yield step;
    });
  }

  /** A batch of factors with sealed data, in the order of their ids. */
  async listSealed(after: string, limit: number): Promise<readonly StoredFactor[]> {
    const values = { after, limit, application: this.options.application };
    const { rows } = await this.#runner.run(this.statements.sealed, () => values);
    return rows.map(factorFromRecord);
  }

  /** Stores the data of a factor that was sealed again. False when the data has changed since it was read. */
  async reseal(id: string, old: string, data: string): Promise<boolean> {
    const { affected } = await this.#runner.run(this.statements.reseal, () => ({ id, old, data }));
    return affected > 0;
  }

  async purge(limit: number, { after, until }: IdWindow): Promise<PurgedBatch> {
    const now = this.options.clock.now();
    const range = { after, bound: until, limit };
    const times = { begunBefore: now - ENROLMENT_MS, expiredBefore: now - KEPT_MS };
    return purgeEnded(this.#runner, this.ended, range, times);
  }

  windows(isComplete: boolean): readonly IdWindow[] {
    const now = this.options.clock.now();
    const lifeMs = longestLife(this.options.methods);
    if (isComplete) return [{ after: '', until: lowestIdAt(now) }];
    const endedBefore = [now - ENROLMENT_MS, ...(lifeMs > 0 ? [now - lifeMs] : [])];
    return endedBefore.map((until) => ({
      after: lowestIdAt(Math.max(0, until - PURGE_LOOKBACK_MS)),
      until: lowestIdAt(Math.max(0, until)),
    }));
  }

  /** The id of the row that serialises the changes of a subject. */
  subjectRowId(subject: string): string {
    return idFromHash('factors', this.options.application, subject);
  }

  /** The values of the clauses that name the subject. */
  scopeOf(subject: string): { readonly subjectKey: string } {
    return { subjectKey: plainHash('factors', this.options.application, subject) };
  }

  /** The values of the columns that name the subject and the application of a row. */
  rowScopeOf(subject: string): Readonly<Record<'application' | 'subject' | 'subjectKey', string>> {
    const { application } = this.options;
    return { application, subject: subjectInColumn(subject), ...this.scopeOf(subject) };
  }

  /**
   * The row of the subject, and its factors by id. What is not intact is not among `factors`, as if it were not there, unless it is an
   * authenticator: without a damaged app the person would be one without an app, for whom a sent code suffices.
   */
  #subjectFrom(
    rows: readonly Readonly<Record<string, unknown>>[],
    subject: string,
  ): SubjectFactors {
    const all = rows.map(factorFromRecord).toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const row = all.find(({ method }) => method === SUBJECT_ROW);
    const stored = all
      .filter(({ method }) => method !== SUBJECT_ROW && method !== SPENT_CODE)
      .map((factor) => this.seals.open(factor, subject));
    return {
      factors: stored.filter(
        ({ method, isIntact }) => isIntact || this.options.methods.get(method)?.isStrong,
      ),
      stored,
      spentCodes: all.filter(({ method }) => method === SPENT_CODE).map(({ id }) => id),
      userHandle: row?.data ?? '',
      devicesForgottenAt: row?.lastUsedAt ?? null,
    };
  }

  get #runner(): StatementRunner {
    return this.confirmations.runner;
  }
}

/** @throws TwoFactorConfigurationError when the data source does not know the entity. */
export function factorTable(dataSource: DataSource): FactorTable {
  assertEntity(dataSource, FactorRecord);
  const { table, column } = tableNames(dataSource, FactorRecord);
  return { table, id: column.id };
}

/** The longest life of a factor that ends by itself; 0 for none. */
function longestLife(methods: ConfiguredMethods): number {
  const lives = [...methods.values()].map((method) =>
    method instanceof FactorMethod ? (method.lifeMs ?? 0) : 0,
  );
  return Math.max(0, ...lives);
}

/** The pattern of the column `methods` of a confirmation that allows this method. */
function methodsLikePattern(method: string): string {
  return `%,${method},%`;
}
