import { type Engine, Statement, statementsByName } from '../../../database/index.js';
import { CLOCK_MARGIN_MS, FAILURES_KEPT_MS } from '../limit-rules.js';
import { limitClauses, type LimitClauses } from './limit-clauses.js';
import { limitJoins, type LimitJoins } from './limit-joins.js';
import type { LimitDialect, LimitTable } from './limit-dialect.js';
import { consumeManySql, mysqlDialect } from './mysql.dialect.js';
import { postgresDialect } from './postgres.dialect.js';
import { sqliteDialect } from './sqlite.dialect.js';

const DIALECTS: Readonly<Record<Engine, LimitDialect>> = {
  postgres: postgresDialect,
  mysql: mysqlDialect,
  sqlite: sqliteDialect,
};

/** Statements by the number of their quotas. They are built when they are first needed; there are few such numbers. */
export interface LimitStatements {
  readonly answersBy: LimitDialect['answersBy'];
  consume(count: number, consumed: number): Statement;
  /** Consumes for several calls: see `consumeManySql`. For MySQL and MariaDB only. */
  consumeMany(looks: number, charges: number): Statement;
  read(count: number): Statement;
  /** Deletes rows of which nothing is consumed. */
  dropUnused(count: number): Statement;
  refund(count: number): Statement;
  /** Sets counts of failures to zero, and empties those slots that the confirmation `:owner` was the last to take. */
  clear(count: number): Statement;
  clearAll(count: number): Statement;
  /** Adds `:amount0` to the counter `:id0`, and so on. */
  add(count: number): Statement;
  readonly keysAfter: Statement;
  readonly purge: Statement;
  /** Parts of the statements of the confirmations; `null` for an engine that cannot consume quotas in them. */
  readonly clauses: LimitClauses | null;
  /** Parts of an UPDATE over a confirmation and its quotas; `null` for an engine that does without. */
  readonly joins: LimitJoins | null;
}

export function limitStatements(engine: Engine, names: LimitTable): LimitStatements {
  const dialect = DIALECTS[engine];
  const { answersBy, consume, add, updateInOrder, deleteInOrder, prefix, onPrimary } = dialect;
  const { table, column: c } = names;
  const compile = (sql: string): Statement => new Statement(engine, sql);
  const byCount = (sql: (count: number) => string): ((count: number) => Statement) => {
    const once = statementsByName(engine);
    return (count) => once(count, () => sql(count));
  };
  const byCounts = (
    sql: (count: number, others: number) => string,
  ): ((count: number, others: number) => Statement) => {
    const once = statementsByName(engine);
    return (count, others) => once(`${count} ${others}`, () => sql(count, others));
  };
  const isOneOf = (count: number): string => dialect.isOneOf(names, count);
  const nothing = `${c.endsAt} = 0, ${c.amount} = 0`;
  const isMine = `(${c.kind} = 'failures' OR ${prefix(c.owner)} = :owner)`;
  return {
    answersBy,
    consume: byCounts((count, consumed) => consume(names, count, consumed)),
    consumeMany: byCounts((looks, charges) => consumeManySql(names, looks, charges)),
    read: byCount((count) =>
      onPrimary(`SELECT ${names.columns} FROM ${table} WHERE ${isOneOf(count)}`),
    ),
    dropUnused: byCount((count) => deleteInOrder(names, `${isOneOf(count)} AND ${c.amount} = 0`)),
    // A refund ends the first lock with the failure that caused it, and a window with the unit that began it. A longer lock
    // stays, which is the safe side.
    refund: byCount((count) =>
      updateInOrder(
        names,
        `${c.endsAt} = CASE WHEN ${c.amount} <= 1 THEN 0 ` +
          `WHEN ${c.kind} = 'failures' AND ${c.amount} <= :lockAfter THEN :unlocked ` +
          `ELSE ${c.endsAt} END, ${c.amount} = ${c.amount} - 1`,
        `${isOneOf(count)} AND ${c.amount} > 0`,
      ),
    ),
    clear: byCount((count) => updateInOrder(names, nothing, `${isOneOf(count)} AND ${isMine}`)),
    clearAll: byCount((count) => updateInOrder(names, nothing, isOneOf(count))),
    add: byCount((count) => add(names, count)),
    keysAfter: compile(
      onPrimary(
        `SELECT ${c.id} AS ${names.alias.id} FROM ${table} WHERE ${c.id} > :after ORDER BY ${c.id} LIMIT :limit`,
        names.alias.id,
      ),
    ),
    // Failures are kept until a success, because time alone must give no new guesses (NIST SP 800-63B-4 3.2.2), but not for
    // ever: a count below the permanent lock that did not change for a year is deleted. An ended window is kept for a day, because
    // the clock of the machine that purges may be ahead.
    purge: compile(
      deleteInOrder(
        names,
        `${c.id} > :after AND ${c.id} <= :last AND ${c.endsAt} + ${CLOCK_MARGIN_MS} <= :now ` +
          `AND (${c.kind} <> 'failures' OR ${c.amount} = 0 ` +
          `OR (${c.amount} < ${c.maxAmount} AND ${c.endsAt} + ${FAILURES_KEPT_MS} <= :now))`,
      ),
    ),
    clauses: engine === 'postgres' ? limitClauses(names) : null,
    joins: engine === 'mysql' ? limitJoins(names) : null,
  };
}
