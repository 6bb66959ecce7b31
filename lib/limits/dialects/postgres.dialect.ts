import { lockEnd, type LimitDialect } from './limit-dialect.js';

const bigint = (value: string): string => `CAST(${value} AS bigint)`;
const int = (value: string): string => `CAST(${value} AS int)`;
const text = (value: string): string => `CAST(${value} AS varchar)`;

/**
 * PostgreSQL and SQLite. What is spent is seen before anything is touched; the guard of each row holds against those who
 * come in between.
 */
export const postgresDialect: LimitDialect = {
  chargesAllOrNothing: true,
  charge: ({ table, column: c }, count) => {
    const wanted = Array.from(
      { length: count },
      (_, i) =>
        `(${text(`:id${i}`)}, ${text(`:kind${i}`)}, ${int(`:amount${i}`)}, ${int(`:allowed${i}`)}, ${bigint(`:endsAt${i}`)})`,
    );
    const now = bigint(':now');
    const isSpent = (row: string, rule: string): string =>
      `CASE WHEN ${row}.${c.kind} = 'failures' THEN ${row}.${c.endsAt} > ${now} OR ${row}.${c.amount} >= ${rule} ` +
      `ELSE ${row}.${c.endsAt} > ${now} AND ${row}.${c.amount} >= ${rule} END`;
    const spent = `limits.${c.amount} + 1`;
    const lock = lockEnd(spent, bigint)
      .replaceAll(':lockFrom', int(':lockFrom'))
      .replaceAll(':doublings', int(':doublings'))
      .replaceAll(':now', now);
    return `
      WITH wanted (id, kind, amount, allowed, ends_at) AS (VALUES ${wanted.join(', ')})
      INSERT INTO ${table} AS limits (${c.id}, ${c.kind}, ${c.amount}, ${c.allowed}, ${c.endsAt}, ${c.holder})
      SELECT wanted.id, wanted.kind, wanted.amount, wanted.allowed, wanted.ends_at, ${text(':holder')} FROM wanted
      WHERE wanted.amount > 0 AND NOT EXISTS (
        SELECT 1 FROM ${table} AS seen JOIN wanted AS rule ON rule.id = seen.${c.id} WHERE ${isSpent('seen', 'rule.allowed')})
      ORDER BY wanted.id
      ON CONFLICT (${c.id}) DO UPDATE SET
        ${c.amount} = CASE WHEN limits.${c.kind} = 'failures' OR limits.${c.endsAt} > ${now} THEN ${spent} ELSE 1 END,
        ${c.endsAt} = CASE WHEN limits.${c.kind} = 'failures' THEN ${lock}
          WHEN limits.${c.endsAt} > ${now} THEN limits.${c.endsAt} ELSE excluded.${c.endsAt} END,
        ${c.allowed} = excluded.${c.allowed}, ${c.holder} = excluded.${c.holder}
      WHERE NOT (${isSpent('limits', `excluded.${c.allowed}`)})
      RETURNING ${c.id} AS "id", ${c.amount} AS "amount", ${c.endsAt} AS "endsAt"`;
  },
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${c.id} IN (
       SELECT ${c.id} FROM ${table} WHERE ${condition} ORDER BY ${c.id} FOR UPDATE)`,
};
