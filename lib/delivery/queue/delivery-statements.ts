import { DIALECTS } from '../../confirmation/index.js';
import { placeholders, Statement, type Engine, type TableNames } from '../../database/index.js';
import type { DeliveryRecord } from './delivery-record.entity.js';

/** How many due messages a worker reads at once. */
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
      WHERE ${isMine} AND ${q.dueAt} <= :now`,
    remove: `DELETE FROM ${table} WHERE ${isMine}`,
    reschedule: `
      UPDATE ${table} SET ${q.dueAt} = :dueAt, ${q.tries} = :tries, ${q.isCharged} = :isCharged WHERE ${isMine}`,
    fail: `
      UPDATE ${table} SET ${q.dueAt} = NULL, ${q.failedAt} = :now, ${q.reason} = :reason, ${q.tries} = :tries
      WHERE ${isMine}`,
    ended: `SELECT ${columns} FROM ${table} WHERE ${hasEnded} LIMIT :limit`,
    purge: `DELETE FROM ${table} WHERE ${isMine} AND ${hasEnded}`,
  };
  return Object.fromEntries(
    Object.entries(sql).map(([name, text]) => [name, new Statement(engine, text)]),
  ) as unknown as DeliveryStatements;
}

/**
 * Reads the messages that are due, the oldest first.
 *
 * @param ways the number of senders. An instance reads no message of a sender that it does not have.
 */
export function dueStatement(
  engine: Engine,
  { table, column: q, columns }: TableNames<keyof DeliveryRecord>,
  ways: number,
  limit: number,
): Statement {
  const sql = `
    SELECT ${columns} FROM ${table} WHERE ${q.dueAt} <= :now AND ${q.way} IN (${placeholders('way', ways)})
    ORDER BY ${q.dueAt} LIMIT ${limit}`;
  return new Statement(engine, DIALECTS[engine].onPrimary(sql));
}
