import { placeholders, type TableNames } from '../../../database/index.js';
import type { LimitRecord } from '../limit-record.entity.js';
import { CLOCK_MARGIN_MS, UNLOCKED_END_OFFSET_MS } from '../limit-rules.js';
import { NO_OWNER } from '../slot-owner.js';

const asIs = (value: string): string => value;
/** The largest number of the columns. */
const MAX_INT = 2 ** 31 - 1;

export type LimitTable = TableNames<keyof LimitRecord>;

/** The differences between the engines in the SQL of the quotas. */
export interface LimitDialect {
  /** How `consume` tells what it did: by rows with `id`, `amount` and `endsAt` of those that it consumed, or by a number. */
  readonly answersBy: 'rows' | 'insertId';
  /**
   * Checks `count` quotas, and consumes those `consumed` of them that are not only checked: all of these, or none when one of
   * the `count` is exhausted.
   */
  readonly consume: (table: LimitTable, count: number, consumed: number) => string;
  /** Adds to `count` counters, and writes rows for those that have none. */
  readonly add: (table: LimitTable, count: number) => string;
  /** The condition that a row is one of `count` ids, `:id0` and so on. */
  readonly isOneOf: (table: LimitTable, count: number) => string;
  /** An UPDATE of the rows that meet the condition, locked in the order of their ids as `consume` does: another order would deadlock. */
  readonly updateInOrder: (table: LimitTable, assignments: string, condition: string) => string;
  /** A DELETE of the rows that meet the condition, locked in the same order. */
  readonly deleteInOrder: (table: LimitTable, condition: string) => string;
  /** The first 16 characters of a column. */
  readonly prefix: (column: string) => string;
  /** A SELECT that a read/write splitting proxy sends to the server that takes the writes. */
  readonly onPrimary: (select: string, orderBy?: string) => string;
}

/** `isOneOf` for an engine whose planner uses the index without help. */
export function idInList({ column: c }: LimitTable, count: number): string {
  return `${c.id} IN (${placeholders('id', count)})`;
}

/**
 * The columns and rows of the INSERT of `add`, which are the same on all engines. The rows allow the largest number of units,
 * because `add` only counts and never refuses.
 */
export function addedRowsSql(
  { column: c }: LimitTable,
  count: number,
  cast: (value: string, type: 'text' | 'int' | 'bigint') => string = (value) => value,
): string {
  const rows = Array.from(
    { length: count },
    (_, i) =>
      `(${cast(`:id${i}`, 'text')}, 'window', ${cast(`:amount${i}`, 'int')}, ${MAX_INT}, ${cast(`:endsAt${i}`, 'bigint')}, '${NO_OWNER}')`,
  );
  return (
    `(${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner}) ` +
    `VALUES ${rows.join(', ')}`
  );
}

/** The SQL expressions from which the conditions `isActive` and `isExhausted` are built, such as columns and parameters. */
export interface RuleTerms {
  readonly kind: string;
  readonly amount: string;
  readonly endsAt: string;
  /** The units that may be consumed. */
  readonly allowed: string;
  /** When a window that begins now would end. */
  readonly newEnd: string;
  readonly now: string;
  readonly maxLockMs: string;
}

/** The terms that are parameters in every statement for MySQL and MariaDB. */
export const PARAMETER_TERMS = { now: ':now', maxLockMs: ':maxLockMs' } as const;

/** `isActive` of limit-rules.ts, in SQL. */
export function isActive({ kind, endsAt, newEnd, now, maxLockMs }: RuleTerms): string {
  const latest = `CASE WHEN ${kind} = 'failures' THEN ${now} + ${maxLockMs} ELSE ${newEnd} END`;
  return `(${endsAt} > ${now} AND ${endsAt} <= ${latest} + ${CLOCK_MARGIN_MS})`;
}

/** `isExhausted` of limit-rules.ts, in SQL. */
export function isExhausted(terms: RuleTerms): string {
  const isFull = `${terms.amount} >= ${terms.allowed}`;
  return (
    `(CASE WHEN ${terms.kind} = 'failures' THEN ${isFull} OR ${isActive(terms)} ` +
    `ELSE ${isFull} AND ${isActive(terms)} END)`
  );
}

/**
 * The lock after `amount` consecutive failures, as the time when it ends; values are cast by `int` and `bigint` where the engine asks
 * for it. A failure
 * that does not lock yet has ended before: see `UNLOCKED_END_OFFSET_MS`.
 */
export function lockEnd(
  amount: string,
  int: (value: string) => string = asIs,
  bigint: (value: string) => string = asIs,
): string {
  const doublings = `${amount} - ${int(':lockAfter')}`;
  return (
    `CASE WHEN ${doublings} < 0 THEN ${bigint(':now')} - ${-UNLOCKED_END_OFFSET_MS} ` +
    `WHEN ${doublings} >= ${int(':doublings')} THEN ${bigint(':now')} + ${bigint(':maxLockMs')} ` +
    `ELSE ${bigint(':now')} + (${bigint(':lockMs')} << (${doublings})) END`
  );
}
