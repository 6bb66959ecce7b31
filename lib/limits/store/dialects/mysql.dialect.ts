import { MYSQL_ALL_ROWS, mysqlOnPrimary } from '../../../database/index.js';
import {
  addedRowsSql,
  isExhausted,
  isActive,
  idInList,
  lockEnd,
  type LimitDialect,
  type LimitTable,
  PARAMETER_TERMS,
  type RuleTerms,
} from './limit-dialect.js';
import { MAX_FOUND, PERMANENT_WAIT_MS, RANKS } from './mysql-answer.js';

/** What the statement offers for a column of a row that is there already. */
const offered = (column: string): string => `VALUES(${column})`;
const FOUND_SO_FAR = 'LAST_INSERT_ID()';

/** The answer of `consumeManySql` has, beyond the bits of the calls, the number of quotas in `look` that have a row already. */
export const FOUND_COUNT_BIT = 2 ** 26;

/** The row that the statement finds, and what it is given for it. */
function ownTerms({ column: c }: LimitTable): RuleTerms {
  return {
    kind: c.kind,
    amount: c.amount,
    endsAt: c.endsAt,
    allowed: offered(c.maxAmount),
    newEnd: offered(c.endsAt),
    ...PARAMETER_TERMS,
  };
}

/**
 * `consume` for several calls: the lists `look` and `charge` have each quota once, with a mask of the calls that want it. The first
 * bit of what the server answers is always set, and the bit of a call, the value of its mask, when one of its quotas is exhausted.
 * Then nothing is charged for that call. Calls that would exhaust a window only together are all refused. The owner of a charge ends
 * with its mask, in 16 digits.
 */
export function consumeManySql(names: LimitTable, looks: number, charges: number): string {
  const { table, column: c } = names;
  const rows = (list: string, size: number, columns: (index: number) => string): string[] =>
    Array.from({ length: size }, (_, i) => `(:${list}${i}_id, :${list}${i}_kind, ${columns(i)})`);
  const own = ownTerms(names);
  const isLook = `${offered(c.amount)} = 0`;
  const mask = `CAST(RIGHT(${offered(c.owner)}, 16) AS UNSIGNED)`;
  const share = `BIT_COUNT(${mask} & ~${FOUND_SO_FAR})`;
  const isConsumed = `${offered(c.amount)} = 1 AND ${share} > 0`;
  const isSpent = `IF(${c.kind} = 'failures', ${isExhausted(own)},
    IF(${isActive(own)}, ${c.amount}, 0) + BIT_COUNT(${mask}) > ${own.allowed})`;
  // Computed for its side effect alone: see the assignment of the owner, `IF(look > 0, owner, owner)`, which leaves the owner as it is.
  const look = `LAST_INSERT_ID((${FOUND_SO_FAR} + ${FOUND_COUNT_BIT}) | IF(${isSpent}, ${mask}, 0))`;
  return `
    INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner})
    VALUES ${[
      ...rows('look', looks, (i) => {
        const amount = i === 0 ? 'LAST_INSERT_ID(1) * 0' : '0';
        return `${amount}, :look${i}_allowed, :look${i}_end, :look${i}_owner`;
      }),
      ...rows(
        'charge',
        charges,
        (i) => `1, :charge${i}_allowed, :charge${i}_end, :charge${i}_owner`,
      ),
    ].join(', ')}
    ON DUPLICATE KEY UPDATE
      ${c.owner} = IF(${isLook}, IF(${look} > 0, ${c.owner}, ${c.owner}),
        IF(${isConsumed}, ${offered(c.owner)}, ${c.owner})),
      ${c.amount} = IF(${isConsumed}, IF(${isActive(own)}, ${c.amount}, 0) + ${share}, ${c.amount}),
      ${c.endsAt} = IF(${isConsumed}, IF(${c.amount} > ${share} AND ${isActive(own)}, ${c.endsAt}, ${own.newEnd}), ${c.endsAt}),
      ${c.maxAmount} = ${own.allowed}`;
}

/**
 * MySQL and MariaDB, which cannot return rows from this statement alike. It lists every quota once with the amount 0, to look
 * whether it is exhausted, and after all of these the quotas to be consumed once more with the amount 1.
 * `LAST_INSERT_ID(expression)` keeps from row to row what was found, and the server sends its last value with the answer: see
 * `mysql-answer.ts`. A subquery that looks would lock gaps, and two such statements would deadlock.
 *
 * Both servers assign from left to right: the amount is assigned before the end of its window or lock.
 */
export const mysqlDialect: LimitDialect = {
  answersBy: 'insertId',
  consume: (names, count, consumed) => {
    const { table, column: c } = names;
    const looks = Array.from({ length: count }, (_, i) => {
      const amount = i === 0 ? 'LAST_INSERT_ID(1) * 0' : '0';
      return `(:id${i}, :kind${i}, ${amount}, :allowed${i}, :lookEnd${i}, :rank${i})`;
    });
    const charges = Array.from(
      { length: consumed },
      (_, i) => `(:paidId${i}, :paidKind${i}, 1, :paidAllowed${i}, :paidEnd${i}, :owner)`,
    );
    const own = ownTerms(names);
    const found = FOUND_SO_FAR;
    const waitMs = `IF(${c.kind} = 'failures' AND ${c.amount} >= ${own.allowed}, ${PERMANENT_WAIT_MS}, GREATEST(${c.endsAt} - :now, 0))`;
    const units = `((${waitMs} + :unitMs - 1) DIV :unitMs)`;
    const refusal = `((${units} * ${RANKS} + ${offered(c.owner)}) * :unitSpan + (${units} * :unitMs - ${waitMs})) * ${RANKS}`;
    // Computed for its side effect alone, which keeps what this row shows for the rows after it: `IF(look > 0, owner, owner)` below leaves
    // the owner as it is.
    const look = `LAST_INSERT_ID(
      GREATEST(${found} >> 6 << 6, IF(${isExhausted(own)}, ${refusal}, 0)) | LEAST((${found} & ${MAX_FOUND}) + 1, ${MAX_FOUND}))`;
    const isLook = `${offered(c.amount)} = 0`;
    const isConsumed = `${offered(c.amount)} = 1 AND ${found} < ${RANKS}`;
    return `
      INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner})
      VALUES ${[...looks, ...charges].join(', ')}
      ON DUPLICATE KEY UPDATE
        ${c.owner} = IF(${isLook}, IF(${look} > 0, ${c.owner}, ${c.owner}), IF(${isConsumed}, ${offered(c.owner)}, ${c.owner})),
        ${c.amount} = IF(${isConsumed}, IF(${c.kind} = 'failures' OR ${isActive(own)}, ${c.amount} + 1, 1), ${c.amount}),
        ${c.endsAt} = IF(${isConsumed}, CASE WHEN ${c.kind} = 'failures' THEN ${lockEnd(c.amount)}
          WHEN ${c.amount} > 1 AND ${isActive(own)} THEN ${c.endsAt} ELSE ${own.newEnd} END, ${c.endsAt}),
        ${c.maxAmount} = ${own.allowed}`;
  },
  add: (names, count) => {
    const { table, column: c } = names;
    return `
      INSERT INTO ${table} ${addedRowsSql(names, count)}
      ON DUPLICATE KEY UPDATE ${c.amount} = ${c.amount} + VALUES(${c.amount})`;
  },
  isOneOf: idInList,
  updateInOrder: ({ table, column: c }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${condition} ORDER BY ${c.id} ${MYSQL_ALL_ROWS}`,
  deleteInOrder: ({ table, column: c }, condition) =>
    `DELETE FROM ${table} WHERE ${condition} ORDER BY ${c.id} ${MYSQL_ALL_ROWS}`,
  prefix: (column) => `LEFT(${column}, 16)`,
  onPrimary: mysqlOnPrimary,
};
