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
 * MariaDB 10.5 and later. Exhausted quotas are read by a statement before this one: a subquery of it would lock gaps, and two
 * such statements would deadlock. MariaDB assigns from left to right: the first assignment is the guard, which sets the owner
 * only where a unit is left, and the others follow the owner.
 */
export const mysqlDialect: LimitDialect = {
  consumesAllOrNothing: false,
  consume: ({ table, column: c }, count) => {
    const wanted = Array.from(
      { length: count },
      (_, i) => `(:id${i}, :kind${i}, :amount${i}, :allowed${i}, :endsAt${i}, :owner)`,
    );
    const given = (column: string): string => `VALUES(${column})`;
    const own: RuleTerms = {
      kind: c.kind,
      amount: c.amount,
      endsAt: c.endsAt,
      allowed: given(c.maxAmount),
      newEnd: given(c.endsAt),
      now: ':now',
      maxLockMs: ':maxLockMs',
    };
    // The owner of this call is in no row before this statement.
    const isConsumed = `${c.owner} = ${given(c.owner)}`;
    return `
      INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner})
      VALUES ${wanted.join(', ')}
      ON DUPLICATE KEY UPDATE
        ${c.owner} = IF(${isExhausted(own)}, ${c.owner}, ${given(c.owner)}),
        ${c.amount} = IF(${isConsumed}, IF(${c.kind} = 'failures' OR ${isActive(own)}, ${c.amount} + 1, 1), ${c.amount}),
        ${c.endsAt} = IF(${isConsumed}, CASE WHEN ${c.kind} = 'failures' THEN ${lockEnd(c.amount, asIs, asIs)}
          WHEN ${isActive(own)} THEN ${c.endsAt} ELSE ${own.newEnd} END, ${c.endsAt}),
        ${c.maxAmount} = ${own.allowed}
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
