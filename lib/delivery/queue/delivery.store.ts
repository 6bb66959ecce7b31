import type { DataSource } from 'typeorm';

import type { ConfirmationStore } from '../../confirmation/index.js';
import {
  assertEntity,
  listValues,
  tableNames,
  type SqlValues,
  type Statement,
  type StatementRunner,
  type TableNames,
} from '../../database/index.js';
import type { LimitClass, ResolvedOptions } from '../../options/index.js';
import { DeliveryRecord, type DeliveryFailureReason } from './delivery-record.entity.js';
import {
  deliveryStatements,
  dueStatement,
  PAGE_SIZE,
  type DeliveryStatements,
  type DueQuery,
} from './delivery-statements.js';

/** A message as the store reads it. */
export type DeliveryRow = Readonly<DeliveryRecord>;

/** What a claim needs to know of a row. */
export type ClaimableRow = Pick<
  DeliveryRow,
  'claims' | 'confirmation' | 'isCharged' | 'number' | 'tries'
>;

/**
 * Whether a message is due. One that was never claimed is due since it was written, whatever its time says: the clock of the instance that
 * wrote it may be ahead of the clock here, and the worker would leave the message to its next look.
 */
export function isDue(
  { claims, dueAt }: Pick<DeliveryRow, 'claims' | 'dueAt'>,
  now: number,
): boolean {
  return dueAt !== null && (claims === 0 || dueAt <= now);
}

/** The classes of messages, in the order in which a worker prefers them: strangers choose the recipients of the class `open`. */
export const LIMIT_CLASSES: readonly LimitClass[] = ['bound', 'open'];

/** The class of a message. */
export function limitClassOf({ isBound }: Pick<DeliveryRow, 'isBound'>): LimitClass {
  return isBound === 1 ? 'bound' : 'open';
}

/** A message that this instance holds until its lease ends. */
export interface Claim {
  readonly confirmation: string;
  readonly number: number;
  /** The number of this claim, which every later write repeats. */
  readonly claims: number;
  readonly tries: number;
  /** Whether its budgets are charged for the next call. */
  readonly isCharged: boolean;
  /** Epoch milliseconds. Another worker may claim it afterwards. */
  readonly leaseEndsAt: number;
}

/** Clocks of instances differ: a worker must not lose a message whose call has not ended. */
const LEASE_MARGIN_MS = 30_000;
/**
 * Every code has expired long before this. A worker that has the sender of a row drops the row when its code has expired, so that a row
 * which has been due for this long belongs to a sender that was removed from every instance.
 */
const LONGEST_LIFE_MS = 86_400_000;

/** How long a worker may hold a message. */
export function leaseMs({ sendTimeoutMs }: Pick<ResolvedOptions, 'sendTimeoutMs'>): number {
  return sendTimeoutMs + LEASE_MARGIN_MS;
}

/** The names of the table, for the statements that write it together with a confirmation. */
export function deliveryTable(dataSource: DataSource): TableNames<keyof DeliveryRecord> {
  assertEntity(dataSource, DeliveryRecord);
  return tableNames(dataSource, DeliveryRecord);
}

/** All SQL of the queued messages. It reads no codes, calls no senders, and makes no decision. */
export class DeliveryStore {
  #statements: DeliveryStatements | undefined;
  /** The statements that read due messages, by what they read. */
  readonly #due = new Map<string, Statement>();

  constructor(
    private readonly table: TableNames<keyof DeliveryRecord>,
    private readonly confirmations: ConfirmationStore,
    private readonly options: Pick<ResolvedOptions, 'clock' | 'sendTimeoutMs'>,
  ) {}

  /** Up to `limit` due messages of each of these classes and senders, the oldest of them first. */
  async due(
    ways: readonly string[],
    limit = PAGE_SIZE,
    classes: readonly LimitClass[] = LIMIT_CLASSES,
  ): Promise<readonly DeliveryRow[]> {
    if (ways.length === 0) return [];
    const values = { now: this.options.clock.now(), ...listValues('way', ways) };
    const statement = this.#dueStatement({ ways: ways.length, classes, limit });
    const { rows } = await this.#runner.run(statement, () => values);
    return rows.map(deliveryFromRecord).toSorted((one, other) => one.dueAt! - other.dueAt!);
  }

  async find(confirmation: string, number: number): Promise<DeliveryRow | null> {
    const values = { confirmation, number };
    const { rows } = await this.#runner.run(this.#statementNamed('find'), () => values);
    return rows[0] ? deliveryFromRecord(rows[0]) : null;
  }

  /** Claims a message. `null` when another worker was faster, or the message is not due. */
  async claim({
    confirmation,
    number,
    claims,
    tries,
    isCharged,
  }: ClaimableRow): Promise<Claim | null> {
    const now = this.options.clock.now();
    const leaseEndsAt = now + leaseMs(this.options);
    // See `isDue`.
    const dueUntil = claims === 0 ? Number.MAX_SAFE_INTEGER : now;
    const isClaimed = await this.#write('claim', {
      confirmation,
      number,
      claims,
      dueUntil,
      leaseEndsAt,
    });
    if (!isClaimed) return null;
    return {
      confirmation,
      number,
      claims: claims + 1,
      tries,
      isCharged: isCharged === 1,
      leaseEndsAt,
    };
  }

  /** Deletes the message. `remove`, `reschedule` and `fail` return whether the claim still held the message; nothing changes otherwise. */
  async remove(claim: Claim): Promise<boolean> {
    return this.#write('remove', claimKeyOf(claim));
  }

  async reschedule(
    claim: Claim,
    dueAt: number,
    { tries, isCharged }: Pick<Claim, 'isCharged' | 'tries'>,
  ): Promise<boolean> {
    const values = { dueAt, tries, isCharged: isCharged ? 1 : 0, ...claimKeyOf(claim) };
    return this.#write('reschedule', values);
  }

  async fail(claim: Claim, reason: DeliveryFailureReason, tries: number): Promise<boolean> {
    const now = this.options.clock.now();
    return this.#write('fail', { now, reason, tries, ...claimKeyOf(claim) });
  }

  /** Deletes up to `limit` messages that failed before `before` (epoch ms). @returns whether there may be more. */
  async purge(before: number, limit: number): Promise<boolean> {
    const bounds = { before, dueBefore: before - LONGEST_LIFE_MS };
    const { rows } = await this.#runner.run(this.#statementNamed('ended'), () => ({
      limit,
      ...bounds,
    }));
    // One by one: a DELETE of a range would lock its gaps on MariaDB, and requests would wait to insert their rows.
    for (const row of rows.map(deliveryFromRecord)) {
      await this.#write('purge', { ...claimKeyOf(row), ...bounds });
    }
    return rows.length === limit;
  }

  async #write(name: keyof DeliveryStatements, values: SqlValues): Promise<boolean> {
    const { affected } = await this.#runner.run(this.#statementNamed(name), () => values);
    return affected > 0;
  }

  /** The statements are built when the first of them is used, because nothing else needs them. */
  #statementNamed(name: keyof DeliveryStatements): Statement {
    this.#statements ??= deliveryStatements(this.#runner.engine, this.table);
    return this.#statements[name];
  }

  #dueStatement(query: DueQuery): Statement {
    const key = JSON.stringify(query);
    const known = this.#due.get(key);
    if (known !== undefined) return known;
    const statement = dueStatement(this.#runner.engine, this.table, query);
    this.#due.set(key, statement);
    return statement;
  }

  get #runner(): StatementRunner {
    return this.confirmations.runner;
  }
}

function claimKeyOf({
  confirmation,
  number,
  claims,
}: Pick<Claim, 'claims' | 'confirmation' | 'number'>): SqlValues {
  return { confirmation, number, claims };
}

function deliveryFromRecord(raw: Readonly<Record<string, unknown>>): DeliveryRow {
  const record = raw as unknown as Record<keyof DeliveryRecord, string>;
  const time = (value: string | null): number | null => (value === null ? null : Number(value));
  return {
    confirmation: record.confirmation,
    number: Number(record.number),
    way: record.way,
    dueAt: time(record.dueAt),
    claims: Number(record.claims),
    tries: Number(record.tries),
    isCharged: Number(record.isCharged),
    isBound: Number(record.isBound),
    failedAt: time(record.failedAt),
    reason: record.reason,
  };
}

/** `null` unless messages are queued, so that no statement touches their table. */
export function createDeliveryStore(
  dataSource: DataSource,
  confirmations: ConfirmationStore,
  options: ResolvedOptions,
): DeliveryStore | null {
  if (options.delivery !== 'queued') return null;
  return new DeliveryStore(deliveryTable(dataSource), confirmations, options);
}
