import { DIALECTS } from '../../confirmation/index.js';
import { Statement, type Engine, type TableNames } from '../../database/index.js';
import type { LimitClass } from '../../options/index.js';
import type { DeliveryRecord } from './delivery-record.entity.js';

/** How many due messages of each class a worker reads at once. */
export const PAGE_SIZE = 64;

export type DeliveryStatements = Readonly<
  Record<'find' | 'claim' | 'remove' | 'reschedule' | 'fail' | 'ended' | 'purge', Statement>
>;

/**
 * All SQL on the table of the messages. A worker claims a message by one guarded UPDATE of its primary key, and each later
 * write repeats the number of that claim: a worker that was paused for longer than its lease changes nothing. No statement
 * claims a range, because MariaDB would lock the gaps in it, and every request would wait to insert its own row.
 */
export function deliveryStatements(
  engine: Engine,
  { table, column: q, columns }: TableNames<keyof DeliveryRecord>,
): DeliveryStatements {
  const { onPrimary } = DIALECTS[engine];
  const isThis = `${q.confirmation} = :confirmation AND ${q.number} = :number`;
  const isMine = `${isThis} AND ${q.claims} = :claims`;
  const hasEnded = `(${q.failedAt} < :before OR ${q.dueAt} < :dueBefore)`;
  const sql: Record<keyof DeliveryStatements, string> = {
    find: onPrimary(`SELECT ${columns} FROM ${table} WHERE ${isThis}`),
    // The charge that the row may hold goes to this claim. A worker that dies during its call leaves none behind, so that the
    // next call is charged again.
    claim: `
      UPDATE ${table} SET ${q.dueAt} = :leaseEndsAt, ${q.claims} = ${q.claims} + 1, ${q.isCharged} = 0
      WHERE ${isMine} AND ${q.dueAt} <= :dueUntil`,
    remove: `DELETE FROM ${table} WHERE ${isMine}`,
    reschedule: `
      UPDATE ${table} SET ${q.dueAt} = :dueAt, ${q.tries} = :tries, ${q.isCharged} = :isCharged WHERE ${isMine}`,
    fail: `
      UPDATE ${table} SET ${q.dueAt} = NULL, ${q.failedAt} = :now, ${q.reason} = :reason, ${q.tries} = :tries
      WHERE ${isMine}`,
    // Of the primary: a purge asks again until there are none, and a replica goes on to tell those that are deleted.
    ended: onPrimary(`SELECT ${columns} FROM ${table} WHERE ${hasEnded} LIMIT :limit`),
    purge: `DELETE FROM ${table} WHERE ${isMine} AND ${hasEnded}`,
  };
  return Object.fromEntries(
    Object.entries(sql).map(([name, text]) => [name, new Statement(engine, text)]),
  ) as unknown as DeliveryStatements;
}

/**
 * Reads the messages that are due, of each sender and class apart and the oldest first: the many that strangers cause must not
 * hide those of signed-in users, nor the other way round. Each part is one range of the index, however many wait beside it.
 *
 * @param ways the number of senders. An instance reads no message of a sender that it does not have.
 * @param limit how many messages of each sender and class.
 */
export function dueStatement(
  engine: Engine,
  { table, column: q, columns }: TableNames<keyof DeliveryRecord>,
  { classes, ways, limit }: DueQuery,
): Statement {
  const { onPrimary } = DIALECTS[engine];
  const parts = Array.from({ length: ways }, (_, way) =>
    classes.map(
      (limitClass) => `
        SELECT ${columns} FROM ${table}
        WHERE ${q.way} = :way${way} AND ${q.isBound} = ${isBoundOf(limitClass)} AND ${q.dueAt} <= :now
        ORDER BY ${q.dueAt} LIMIT ${limit}`,
    ),
  ).flat();
  const [first = ''] = parts;
  if (parts.length === 1) return new Statement(engine, onPrimary(first));
  // SQLite takes no parentheses around a part, and older servers no subquery without a name.
  const named = parts.map((part, index) => `SELECT * FROM (${part}) AS part${index}`);
  return new Statement(engine, onPrimary(named.join(' UNION ALL ')));
}

/** Which due messages are read. */
export interface DueQuery {
  readonly ways: number;
  readonly classes: readonly LimitClass[];
  readonly limit: number;
}

/** A class as it is stored. */
export function isBoundOf(limitClass: LimitClass): 0 | 1 {
  return limitClass === 'bound' ? 1 : 0;
}
