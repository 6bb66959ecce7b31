import {
  isExhausted,
  isActive,
  listed,
  lockEnd,
  type LimitDialect,
  type RuleTerms,
} from './limit-dialect.js';

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
      (_, i) => `(:id${i}, :kind${i}, :amount${i}, :allowed${i}, :endsAt${i}, :owner)`,
    );
    const given = (column: string): string => `VALUES(${column})`;
    const own: RuleTerms = {
      kind: c.kind,
      amount: c.amount,
      endsAt: c.endsAt,
      allowed: given(c.allowed),
      newEnd: given(c.endsAt),
      now: ':now',
      maxLockMs: ':maxLockMs',
    };
    // The owner of a charge is in no row before it.
    const isCharged = `${c.owner} = ${given(c.owner)}`;
    return `
      INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.allowed}, ${c.endsAt}, ${c.owner})
      VALUES ${wanted.join(', ')}
      ON DUPLICATE KEY UPDATE
        ${c.owner} = IF(${isExhausted(own)}, ${c.owner}, ${given(c.owner)}),
        ${c.amount} = IF(${isCharged}, IF(${c.kind} = 'failures' OR ${isActive(own)}, ${c.amount} + 1, 1), ${c.amount}),
        ${c.endsAt} = IF(${isCharged}, CASE WHEN ${c.kind} = 'failures' THEN ${lockEnd(c.amount, asIs, asIs)}
          WHEN ${isActive(own)} THEN ${c.endsAt} ELSE ${own.newEnd} END, ${c.endsAt}),
        ${c.allowed} = ${own.allowed}
      RETURNING ${c.id} AS id, ${c.amount} AS amount, ${c.endsAt} AS endsAt, ${c.owner} AS owner,
        @@in_transaction AS inTransaction`;
  },
  isOneOf: listed,
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${condition} ORDER BY ${c.id}`,
  deleteInOrder: ({ table, column: c }, condition) =>
    `DELETE FROM ${table} WHERE ${condition} ORDER BY ${c.id}`,
  prefix: (column) => `LEFT(${column}, 16)`,
};
