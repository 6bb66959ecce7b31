import {
  isExhausted,
  isActive,
  lockEnd,
  type LimitTable,
  type RuleTerms,
} from './limit-dialect.js';
import { PERMANENT_WAIT_MS } from './mysql-answer.js';

/**
 * The quotas that an attempt at a confirmation reads and writes, in the ascending order of their keys: `f` for the failures of
 * a phone number or address, `s` for the pending slot that the confirmation holds.
 */
export type QuotaRoles = string;

/** SQL conditions about the counted attempt, which `LimitJoin.set` inserts into its assignments. */
export interface AttemptTerms {
  /** Whether the code of this attempt is the right one. */
  readonly isRight: string;
  /** Whether the confirmation ends with this attempt. */
  readonly isLast: string;
}

/**
 * Parts of an UPDATE of MySQL and MariaDB over a confirmation and its quotas: see `JoinedUpdateWriter`. Their values, beside
 * `:now` and `:owner`, are `clauseValues` and the keys `:key0` and so on.
 */
export interface LimitJoin {
  /** The tables, each with its join to the one before; empty without quotas. The server locks the rows in this order. */
  readonly tables: string;
  readonly condition: string;
  readonly isLocked: string;
  /** The longest lock in milliseconds, `PERMANENT_WAIT_MS` for a permanent one. */
  readonly lockedMs: string;
  /** The greatest count of failures once this one is counted; 0 without any. */
  readonly failures: string;
  readonly set: (terms: AttemptTerms) => readonly string[];
}

export interface LimitJoins {
  readonly join: (roles: QuotaRoles) => LimitJoin;
  /** Adds the rows that are missing, with nothing consumed: `:key0`, `:kind0`, `:allowed0` and so on. */
  readonly add: (count: number) => string;
}

const asIs = (value: string): string => value;

export function limitJoins({ table, column: c }: LimitTable): LimitJoins {
  const rowTerms = (row: string): RuleTerms => ({
    kind: "'failures'",
    amount: `${row}.${c.amount}`,
    endsAt: `${row}.${c.endsAt}`,
    allowed: ':permanentLockAfter',
    newEnd: '0',
    now: ':now',
    maxLockMs: ':maxLockMs',
  });
  const waitMs = (terms: RuleTerms): string =>
    `CASE WHEN ${terms.amount} >= ${terms.allowed} THEN ${PERMANENT_WAIT_MS}
      WHEN ${isActive(terms)} THEN ${terms.endsAt} - :now ELSE 0 END`;

  return {
    join: (roles) => {
      const rows = Array.from(roles, (role, index) => ({ role, row: `quota${index}` }));
      const failures = rows.flatMap(({ role, row }) => (role === 'f' ? [row] : []));
      const terms = failures.map(rowTerms);
      return {
        tables: rows.map(({ row }) => ` STRAIGHT_JOIN ${table} ${row}`).join(''),
        condition: rows.map(({ row }, index) => `${row}.${c.id} = :key${index} AND `).join(''),
        isLocked: terms.length === 0 ? 'FALSE' : `(${terms.map(isExhausted).join(' OR ')})`,
        lockedMs: `GREATEST(0, 0${terms.map((term) => `, ${waitMs(term)}`).join('')})`,
        failures: `GREATEST(0, 0${terms.map(({ amount }) => `, ${amount} + 1`).join('')})`,
        // The end before the amount, from which it follows: MySQL assigns the columns of one table from left to right, and of
        // a joined table it computes all values first.
        set: ({ isRight, isLast }) =>
          rows.flatMap(({ role, row }) => {
            const [amount, endsAt] = [`${row}.${c.amount}`, `${row}.${c.endsAt}`];
            if (role === 'f') {
              const next = `(${amount} + 1)`;
              return [
                `${endsAt} = IF(${isRight}, 0, ${lockEnd(next, asIs, asIs)})`,
                `${amount} = IF(${isRight}, 0, ${next})`,
                `${row}.${c.maxAmount} = :permanentLockAfter`,
              ];
            }
            const isFreed = `${isLast} AND LEFT(${row}.${c.owner}, 16) = :owner`;
            return [
              `${endsAt} = IF(${isFreed}, 0, ${endsAt})`,
              `${amount} = IF(${isFreed}, 0, ${amount})`,
            ];
          }),
      };
    },
    add: (count) => {
      const rows = Array.from(
        { length: count },
        (_, i) => `(:key${i}, :kind${i}, 0, :allowed${i}, 0, '')`,
      );
      return `
        INSERT INTO ${table} (${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner})
        VALUES ${rows.join(', ')} ON DUPLICATE KEY UPDATE ${c.maxAmount} = VALUES(${c.maxAmount})`;
    },
  };
}
