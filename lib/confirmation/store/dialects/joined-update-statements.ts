import { mysqlOnPrimary, Statement, statementsByName } from '../../../database/index.js';
import type { LimitJoins, QuotaRoleLetters } from '../../../limits/index.js';
import { ALIAS, withTableAlias } from './call-list-statements.js';
import type { StatementContext } from './confirmation-dialect.js';
import {
  comparedColumns,
  confirmationClauses,
  foundColumns,
  unchangedClause,
} from './statements.js';

/**
 * What the statement that compares a code answers.
 *
 * - `compared`: an attempt is counted. `failures` is the greatest count of failures once this one is counted.
 * - `locked`: a failure quota refused the attempt; `waitMs` is how long the lock lasts.
 * - `changed`: the confirmation has ended, another message was recorded, or another confirmation has taken its id since it was read.
 * - `none`: a row is missing, or a trigger has reset the answer.
 */
export type JoinedUpdateAnswer =
  | {
      readonly outcome: 'compared';
      readonly isRight: boolean;
      readonly attempts: number;
      readonly failures: number;
    }
  | { readonly outcome: 'locked'; readonly waitMs: number }
  | { readonly outcome: 'changed' | 'none' };

/** The statements of a verification on MySQL and MariaDB, where one UPDATE joins a confirmation with the rows of its quotas. */
export interface JoinedUpdateStatements {
  /** Reads a confirmation with the keys of its slot. */
  readonly find: Statement;
  readonly compare: (roles: QuotaRoleLetters) => Statement;
  /** Adds rows of quotas that are missing. */
  readonly add: (count: number) => Statement;
}

/** The lowest three bits of the answer. The bit `COMPARED_BIT` is set where the given code was compared with the stored one. */
const CHANGED_TAG = 1;
const LOCKED_TAG = 3;
const WRONG_TAG = 5;
const RIGHT_TAG = 7;
const COMPARED_BIT = 4;
const MAX_REPORTED_ATTEMPTS = 255;
/** The lowest bit of the number of attempts or of the wait, and that of the number of failures, in the number that is answered. */
const TAG_BITS = 3;
const FAILURES_SHIFT = 11;

/**
 * One UPDATE of MySQL and MariaDB over a confirmation and the rows of its quotas. `LAST_INSERT_ID(expression)` in WHERE judges
 * the attempt by the rows as they are locked, SET writes by its value, and the server sends that value with its answer. It locks
 * the confirmation first and then the quotas by their keys: a confirmation that a transaction of the application keeps locked
 * delays no other one of its phone number or address.
 */
export function joinedUpdateStatements(
  context: StatementContext,
  limits: LimitJoins,
): JoinedUpdateStatements {
  const { engine, names } = context;
  const { table, column: c } = names;
  const once = statementsByName(engine);
  return {
    find: new Statement(
      engine,
      mysqlOnPrimary(
        `SELECT ${foundColumns(context)}, ${c.slotKeys} AS slotKeys FROM ${table} WHERE ${c.id} = :id`,
      ),
    ),
    compare: (roles) =>
      once(roles, () =>
        compareSql({ ...context, names: withTableAlias(ALIAS, names) }, limits, roles),
      ),
    add: (count) => once(`add ${count}`, () => limits.add(count)),
  };
}

function compareSql(
  context: StatementContext,
  limits: LimitJoins,
  roles: QuotaRoleLetters,
): string {
  const { engine, names } = context;
  const { table, column: c } = names;
  const { isOpen, codeMatches } = confirmationClauses(context);
  const { tables, condition, isLocked, lockedMs, failures, set } = limits.join(roles);
  const answer = `
    IF(${isOpen} AND ${unchangedClause(names)},
      IF(${isLocked}, ${LOCKED_TAG} | (${lockedMs}) << ${TAG_BITS},
        IF(${codeMatches}, ${RIGHT_TAG}, ${WRONG_TAG}) | LEAST(${c.attempts} + 1, ${MAX_REPORTED_ATTEMPTS}) << ${TAG_BITS}
          | (${failures}) << ${FAILURES_SHIFT}),
      ${CHANGED_TAG})`;
  const isRight = `(LAST_INSERT_ID() & ${RIGHT_TAG}) = ${RIGHT_TAG}`;
  const isLast = `(${isRight} OR (LAST_INSERT_ID() >> ${TAG_BITS} & ${MAX_REPORTED_ATTEMPTS}) >= ${c.maxAttempts})`;
  const assignments = [
    ...set({ isRight, isLast }),
    ...comparedColumns(engine, names, (value, before) => `IF(${isRight}, ${value}, ${before})`),
  ];
  return `
    UPDATE ${table} ${ALIAS} ${tables} SET ${assignments.join(', ')}
    WHERE ${condition} ${c.id} = :id AND (LAST_INSERT_ID(${answer}) & ${COMPARED_BIT}) = ${COMPARED_BIT}`;
}

export function joinedAnswer(insertId: number): JoinedUpdateAnswer {
  const tag = insertId % 2 ** TAG_BITS;
  const rest = Math.floor(insertId / 2 ** TAG_BITS);
  if (tag === LOCKED_TAG) return { outcome: 'locked', waitMs: rest };
  if (tag !== WRONG_TAG && tag !== RIGHT_TAG)
    return { outcome: tag === CHANGED_TAG ? 'changed' : 'none' };
  return {
    outcome: 'compared',
    isRight: tag === RIGHT_TAG,
    attempts: rest % (MAX_REPORTED_ATTEMPTS + 1),
    failures: Math.floor(insertId / 2 ** FAILURES_SHIFT),
  };
}
