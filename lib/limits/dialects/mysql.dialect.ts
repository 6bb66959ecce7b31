import { lockEnd, type LimitDialect } from './limit-dialect.js';

const asIs = (value: string): string => value;

/**
 * MariaDB 10.5 and later. What is spent is read before: a reading part of this statement would lock gaps, and two of them
 * each other. Assignments happen from left to right: the first one is the guard, and says to the others how it went.
 */
export const mysqlDialect: LimitDialect = {
  chargesAllOrNothing: false,
  charge: ({ table, column: c }, count) => {
    const wanted = Array.from(
      { length: count },
      (_, i) => `(:id${i}, :kind${i}, :amount${i}, :allowed${i}, :endsAt${i}, :holder)`,
    );
    const given = (column: string): string => `VALUES(${column})`;
    const isSpent =
      `CASE WHEN ${c.kind} = 'failures' THEN ${c.endsAt} > :now OR ${c.amount} >= ${given(c.allowed)} ` +
      `ELSE ${c.endsAt} > :now AND ${c.amount} >= ${given(c.allowed)} END`;
    const isCharged = `${c.holder} = ${given(c.holder)}`;
    return `
      INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.allowed}, ${c.endsAt}, ${c.holder})
      VALUES ${wanted.join(', ')}
      ON DUPLICATE KEY UPDATE
        ${c.holder} = IF(${isSpent}, ${c.holder}, ${given(c.holder)}),
        ${c.amount} = IF(${isCharged}, IF(${c.kind} = 'failures' OR ${c.endsAt} > :now, ${c.amount} + 1, 1), ${c.amount}),
        ${c.endsAt} = IF(${isCharged}, CASE WHEN ${c.kind} = 'failures' THEN ${lockEnd(c.amount, asIs)}
          WHEN ${c.endsAt} > :now THEN ${c.endsAt} ELSE ${given(c.endsAt)} END, ${c.endsAt}),
        ${c.allowed} = ${given(c.allowed)}
      RETURNING ${c.id} AS id, ${c.amount} AS amount, ${c.endsAt} AS endsAt, ${c.holder} AS holder,
        @@in_transaction AS inTransaction`;
  },
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${condition} ORDER BY ${c.id}`,
};
