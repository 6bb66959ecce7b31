import { elementPlaceholders } from '../../../database/index.js';
import {
  isExhausted,
  isActive,
  lockEnd,
  type LimitTable,
  PARAMETER_TERMS,
  type RuleTerms,
} from './limit-dialect.js';
import { PERMANENT_WAIT_MS } from './mysql-answer.js';

/**
 * The quotas that an attempt at a confirmation reads and writes, in the ascending order of their keys: `f` for the failures of
 * a phone number or address, `s` for the pending slot that the confirmation holds.
 */
export type QuotaRoleLetters = string;

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

export interface LimitJoinOfMany {
  /** To be joined after the confirmations that are locked, and before the confirmations that are written. */
  readonly locks: string;
  readonly tables: string;
  readonly isAllowed: string;
  readonly set: readonly string[];
}

/** SQL of the calls of a batch, which `LimitJoins.joinMany` inserts. */
export interface CallTerms extends AttemptTerms {
  /** The same value of the call whose confirmation is being joined, such as `:call0_owner` of the first call. */
  readonly ofCall: (name: string) => string;
}

export interface LimitJoins {
  readonly join: (roles: QuotaRoleLetters) => LimitJoin;
  /**
   * The same for the calls of a batch, in one statement. A batch has only calls with the same `roles`, so that the first quota of each call
   * is joined as `quota0`, the second as `quota1`: `:call0_key0` is the key of the first quota of the first call.
   *
   * Another batch may have some of the same quotas in another order of calls, and the two would deadlock. The statement therefore locks
   * all `quotaCount` quotas first, in the order of their keys, which are the list `held`. The table `locks_taken` has one row, which is
   * there once they are locked; reading it also sets `LAST_INSERT_ID()` to 1.
   *
   * An attempt that would cause a lock is not allowed (`isAllowed`), because this answer has no room for how long the lock lasts. That
   * call then gets a statement of its own.
   */
  readonly joinMany: (
    roles: QuotaRoleLetters,
    quotaCount: number,
    terms: CallTerms,
  ) => LimitJoinOfMany;
  /** Adds the rows that are missing, with nothing consumed: `:key0`, `:kind0`, `:allowed0` and so on. */
  readonly add: (count: number) => string;
}

interface JoinedRow {
  readonly role: string;
  readonly row: string;
}

function rowsOf(roles: QuotaRoleLetters): JoinedRow[] {
  return Array.from(roles, (role, index) => ({ role, row: `quota${index}` }));
}

export function limitJoins({ table, column: c }: LimitTable): LimitJoins {
  const rowTerms = (row: string): RuleTerms => ({
    kind: "'failures'",
    amount: `${row}.${c.amount}`,
    endsAt: `${row}.${c.endsAt}`,
    allowed: ':permanentLockAfter',
    newEnd: '0',
    ...PARAMETER_TERMS,
  });
  const waitMs = (terms: RuleTerms): string =>
    `CASE WHEN ${terms.amount} >= ${terms.allowed} THEN ${PERMANENT_WAIT_MS}
      WHEN ${isActive(terms)} THEN ${terms.endsAt} - :now ELSE 0 END`;

  // The end before the amount, from which it follows: MySQL assigns the columns of one table from left to right, and of a joined
  // table it computes all values first.
  const setOf = (
    rows: readonly JoinedRow[],
    { isRight, isLast }: AttemptTerms,
    owner: string,
  ): string[] =>
    rows.flatMap(({ role, row }) => {
      const [amount, endsAt] = [`${row}.${c.amount}`, `${row}.${c.endsAt}`];
      if (role === 'f') {
        const next = `(${amount} + 1)`;
        return [
          `${endsAt} = IF(${isRight}, 0, ${lockEnd(next)})`,
          `${amount} = IF(${isRight}, 0, ${next})`,
          `${row}.${c.maxAmount} = :permanentLockAfter`,
        ];
      }
      const isFreed = `${isLast} AND LEFT(${row}.${c.owner}, 16) = ${owner}`;
      return [
        `${endsAt} = IF(${isFreed}, 0, ${endsAt})`,
        `${amount} = IF(${isFreed}, 0, ${amount})`,
      ];
    });

  return {
    joinMany: (roles, quotaCount, { ofCall, ...attempt }) => {
      const rows = rowsOf(roles);
      const isAllowed = rows.flatMap(({ role, row }) => {
        if (role !== 'f') return [];
        const locksNext = `${row}.${c.amount} + 1 >= :lockAfter`;
        return [`NOT ${isExhausted(rowTerms(row))} AND (${attempt.isRight} OR NOT ${locksNext})`];
      });
      const locked =
        rows.length === 0
          ? 'SELECT 1 AS id'
          : `SELECT ${c.id} FROM ${table} FORCE INDEX (PRIMARY) WHERE ${c.id} IN (${elementPlaceholders('held', 'key', quotaCount)})
            ORDER BY ${c.id} FOR UPDATE`;
      return {
        locks: `(SELECT LAST_INSERT_ID(1) AS one, COUNT(*) AS locked FROM (${locked}) AS locks) AS locks_taken`,
        tables: rows
          .map(
            ({ row }, index) =>
              ` STRAIGHT_JOIN ${table} ${row} FORCE INDEX (PRIMARY) ON ${row}.${c.id} = ${ofCall(`key${index}`)}`,
          )
          .join(''),
        isAllowed: ['locks_taken.one = 1', ...isAllowed].join(' AND '),
        set: setOf(rows, attempt, ofCall('owner')),
      };
    },
    join: (roles) => {
      const rows = rowsOf(roles);
      const failures = rows.flatMap(({ role, row }) => (role === 'f' ? [row] : []));
      const terms = failures.map(rowTerms);
      return {
        tables: rows.map(({ row }) => ` STRAIGHT_JOIN ${table} ${row}`).join(''),
        condition: rows.map(({ row }, index) => `${row}.${c.id} = :key${index} AND `).join(''),
        isLocked: terms.length === 0 ? 'FALSE' : `(${terms.map(isExhausted).join(' OR ')})`,
        lockedMs: `GREATEST(0, 0${terms.map((term) => `, ${waitMs(term)}`).join('')})`,
        failures: `GREATEST(0, 0${terms.map(({ amount }) => `, ${amount} + 1`).join('')})`,
        set: (attempt) => setOf(rows, attempt, ':owner'),
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
