import { givenRows, type GivenTypes } from '../../database/index.js';
import {
  isSpent,
  lasts,
  lockEnd,
  type LimitDialect,
  type LimitTable,
  type RuleTerms,
} from './limit-dialect.js';

const bigint = (value: string): string => `CAST(${value} AS bigint)`;
const int = (value: string): string => `CAST(${value} AS int)`;
const text = (value: string): string => `CAST(${value} AS varchar)`;

const CHARGED: GivenTypes = {
  id: 'varchar',
  kind: 'varchar',
  amount: 'int',
  allowed: 'int',
  endsAt: 'bigint',
  holder: 'varchar',
};

function terms({ column: c }: LimitTable, row: string, allowed: string, newEnd: string): RuleTerms {
  return {
    kind: `${row}.${c.kind}`,
    amount: `${row}.${c.amount}`,
    endsAt: `${row}.${c.endsAt}`,
    allowed,
    newEnd,
    now: bigint(':now'),
    maxLockMs: bigint(':maxLockMs'),
  };
}

function insertInto({ table, column: c }: LimitTable): string {
  return `INSERT INTO ${table} AS limits (${c.id}, ${c.kind}, ${c.amount}, ${c.allowed}, ${c.endsAt}, ${c.holder})`;
}

function elseCharge(names: LimitTable): string {
  const { column: c } = names;
  const own = terms(names, 'limits', `excluded.${c.allowed}`, `excluded.${c.endsAt}`);
  const next = `${own.amount} + 1`;
  return `
    ON CONFLICT (${c.id}) DO UPDATE SET
      ${c.amount} = CASE WHEN ${own.kind} = 'failures' OR ${lasts(own)} THEN ${next} ELSE 1 END,
      ${c.endsAt} = CASE WHEN ${own.kind} = 'failures' THEN ${lockEnd(next, int, bigint)}
        WHEN ${lasts(own)} THEN ${own.endsAt} ELSE ${own.newEnd} END,
      ${c.allowed} = ${own.allowed}, ${c.holder} = excluded.${c.holder}
    WHERE NOT ${isSpent(own)}
    RETURNING ${c.id} AS "id", ${c.amount} AS "amount", ${c.endsAt} AS "endsAt"`;
}

/**
 * PostgreSQL and SQLite. What is spent is seen before anything is touched; the guard of each row holds against those who
 * come in between.
 */
export const postgresDialect: LimitDialect = {
  chargesAllOrNothing: true,
  charge: (names, count) => {
    const { table, column: c } = names;
    const wanted = Array.from(
      { length: count },
      (_, i) =>
        `(${text(`:id${i}`)}, ${text(`:kind${i}`)}, ${int(`:amount${i}`)}, ${int(`:allowed${i}`)}, ${bigint(`:endsAt${i}`)})`,
    );
    return `
      WITH wanted (id, kind, amount, allowed, ends_at) AS (VALUES ${wanted.join(', ')})
      ${insertInto(names)}
      SELECT wanted.id, wanted.kind, wanted.amount, wanted.allowed, wanted.ends_at, ${text(':holder')} FROM wanted
      WHERE wanted.amount > 0 AND NOT EXISTS (
        SELECT 1 FROM ${table} AS seen JOIN wanted AS rule ON rule.id = seen.${c.id}
        WHERE ${isSpent(terms(names, 'seen', 'rule.allowed', 'rule.ends_at'))})
      ORDER BY wanted.id
      ${elseCharge(names)}`;
  },
  // The holder names the call.
  chargeJoined: (names) => {
    const { table, column: c } = names;
    return `
      WITH given AS MATERIALIZED (${givenRows(CHARGED)})
      ${insertInto(names)}
      SELECT "given_id", "given_kind", "given_amount", "given_allowed", "given_endsAt", "given_holder" FROM given
      WHERE "given_amount" > 0 AND "given_holder" NOT IN (
        SELECT "given_holder" FROM given JOIN ${table} AS seen ON seen.${c.id} = "given_id"
        WHERE ${isSpent(terms(names, 'seen', '"given_allowed"', '"given_endsAt"'))})
      ORDER BY "given_id"
      ${elseCharge(names)}, ${c.id} AS "key", true AS "touched"`;
  },
  // The inner condition is looked at again when the row was waited for, because of FOR UPDATE.
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${c.id} IN (
       SELECT ${c.id} FROM ${table} WHERE ${condition} ORDER BY ${c.id} FOR UPDATE)`,
  deleteInOrder: ({ table, column: c }, condition) =>
    `DELETE FROM ${table} WHERE ${c.id} IN (
       SELECT ${c.id} FROM ${table} WHERE ${condition} ORDER BY ${c.id} FOR UPDATE)`,
  prefix: (column) => `substr(${column}, 1, 16)`,
};
