import {
  addedRowsSql,
  isExhausted,
  isActive,
  lockEnd,
  type LimitDialect,
  type LimitTable,
  type RuleTerms,
} from './limit-dialect.js';

export const bigint = (value: string): string => `CAST(${value} AS bigint)`;
export const int = (value: string): string => `CAST(${value} AS int)`;
const text = (value: string): string => `CAST(${value} AS varchar)`;
export const prefix = (column: string): string => `substr(${column}, 1, 16)`;

export function termsOfRow(
  { column: c }: LimitTable,
  row: string,
  allowed: string,
  newEnd: string,
): RuleTerms {
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
  return `INSERT INTO ${table} AS limits (${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner})`;
}

function onConflictConsume(names: LimitTable): string {
  const { column: c } = names;
  const own = termsOfRow(names, 'limits', `excluded.${c.maxAmount}`, `excluded.${c.endsAt}`);
  const next = `${own.amount} + 1`;
  return `
    ON CONFLICT (${c.id}) DO UPDATE SET
      ${c.amount} = CASE WHEN ${own.kind} = 'failures' OR ${isActive(own)} THEN ${next} ELSE 1 END,
      ${c.endsAt} = CASE WHEN ${own.kind} = 'failures' THEN ${lockEnd(next, int, bigint)}
        WHEN ${isActive(own)} THEN ${own.endsAt} ELSE ${own.newEnd} END,
      ${c.maxAmount} = ${own.allowed}, ${c.owner} = excluded.${c.owner}
    WHERE NOT ${isExhausted(own)}
    RETURNING ${c.id} AS "id", ${c.amount} AS "amount", ${c.endsAt} AS "endsAt"`;
}

/**
 * PostgreSQL and SQLite. The statement checks all quotas before it writes any; the guard of each row closes the race with
 * calls that consume after that check. A condition that is always true makes the planner expect one row: see `batchRowsSql`.
 */
export const postgresDialect: LimitDialect = {
  answersBy: 'rows',
  consume: (names, count) => {
    const { table, column: c } = names;
    const wanted = Array.from(
      { length: count },
      (_, i) =>
        `(${text(`:id${i}`)}, ${text(`:kind${i}`)}, ${int(`:amount${i}`)}, ${int(`:allowed${i}`)}, ${bigint(`:endsAt${i}`)})`,
    );
    return `
      WITH given (id, kind, amount, allowed, ends_at) AS (VALUES ${wanted.join(', ')}),
      wanted AS (SELECT * FROM given WHERE id = id || '')
      ${insertInto(names)}
      SELECT wanted.id, wanted.kind, wanted.amount, wanted.allowed, wanted.ends_at, ${text(':owner')} FROM wanted
      WHERE wanted.amount > 0 AND NOT EXISTS (
        SELECT 1 FROM ${table} AS seen JOIN wanted AS rule ON rule.id = seen.${c.id}
        WHERE ${isExhausted(termsOfRow(names, 'seen', 'rule.allowed', 'rule.ends_at'))})
      ORDER BY wanted.id
      ${onConflictConsume(names)}`;
  },
  add: (names, count) => {
    const { table, column: c } = names;
    const casts = { text, int, bigint };
    return `
      INSERT INTO ${table} AS limits ${addedRowsSql(names, count, (value, type) => casts[type](value))}
      ON CONFLICT (${c.id}) DO UPDATE SET ${c.amount} = limits.${c.amount} + excluded.${c.amount}`;
  },
  isOneOf: ({ column: c }, count) => {
    const keys = Array.from({ length: count }, (_, i) => `(${text(`:id${i}`)})`);
    return `${c.id} IN (SELECT key FROM (VALUES ${keys.join(', ')}) AS given (key) WHERE key = key || '')`;
  },
  // FOR UPDATE makes PostgreSQL check the inner condition again after waiting for a concurrent call.
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${c.id} IN (
       SELECT ${c.id} FROM ${table} WHERE ${condition} ORDER BY ${c.id} FOR UPDATE)`,
  deleteInOrder: ({ table, column: c }, condition) =>
    `DELETE FROM ${table} WHERE ${c.id} IN (
       SELECT ${c.id} FROM ${table} WHERE ${condition} ORDER BY ${c.id} FOR UPDATE)`,
  prefix,
  onPrimary: (select) => select,
};
