import {
  elementPlaceholders,
  type Statement,
  statementsByName,
  statementSizeFor,
} from '../../../database/index.js';
import type { LimitJoins, QuotaRoleLetters } from '../../../limits/index.js';
import type { ConfirmationTable, StatementContext } from './confirmation-dialect.js';
import {
  comparedColumns,
  confirmationClauses,
  DIALECTS,
  foundColumns,
  unchangedClause,
  type GuardedClauses,
} from './statements.js';

/** A name that is no reserved word of MySQL or MariaDB. */
export const ALIAS = 'confirmation';
const PLACEHOLDER = /:([a-zA-Z]\w*)/g;
/** The names of the values that all calls of a batch share. */
const SHARED_VALUE_NAMES = new Set([
  'now',
  'useBefore',
  'lockAfter',
  'lockMs',
  'maxLockMs',
  'doublings',
  'permanentLockAfter',
]);

/**
 * Statements of MySQL and MariaDB for several calls, each with the guards of the statement for one. Their values are lists: see
 * `bindLists`. The list `call` has the values of each call.
 *
 * An UPDATE begins with the table `given`, the confirmations of the calls that no other transaction has locked, and their numbers: to
 * wait for one of them would delay the calls of others. It answers by a number whose first bit is always set. The bits above it
 * belong to the calls in their order: one for each use, two for each comparison.
 */
export interface CallListStatements {
  find(calls: number): Statement;
  insert(calls: number): Statement;
  use(calls: number): Statement;
  useByAllowedSender(calls: number): Statement;
  /** @param quotaCount how many different quotas the calls have. */
  compare(roles: QuotaRoleLetters, calls: number, quotaCount: number): Statement;
}

/** @param joins `null` where no code is compared by these statements. */
export function callListStatements(
  context: StatementContext,
  joins: LimitJoins | null,
): CallListStatements {
  const { engine, names, keys } = context;
  const { table, column: c } = names;
  const { inserted } = confirmationClauses(context);
  // A factor that an open transaction of the application removes would keep the uses of up to 23 other people waiting: under REPEATABLE
  // READ and above, a subquery of an UPDATE locks what it reads. The statement for one call asks for the factor, and only its own call waits.
  const isWithoutFactor = context.factors === null ? '' : ` AND ${ALIAS}.${c.factorId} IS NULL`;
  const clauses = confirmationClauses({
    ...context,
    names: withTableAlias(ALIAS, names),
    factors: null,
  });
  const ring = Array.from({ length: keys }, (_, index) => index);
  const once = statementsByName(engine);

  const given = (size: number, selected: string): string => {
    const ids = elementPlaceholders('call', 'id', size);
    return `(SELECT ${c.id}, FIELD(${c.id}, ${ids}) AS nth${selected} FROM ${table} FORCE INDEX (PRIMARY)
      WHERE ${c.id} IN (${ids}) LIMIT ${size} FOR UPDATE SKIP LOCKED) AS given`;
  };
  const ofCall =
    (size: number) =>
    (name: string): string =>
      `ELT(given.nth, ${elementPlaceholders('call', name, size)})`;
  const perCall = (clause: string, size: number): string =>
    clause.replace(PLACEHOLDER, (placeholder, name: string) =>
      SHARED_VALUE_NAMES.has(name) ? placeholder : ofCall(size)(name),
    );
  // The index, because MySQL would read all of a small table, and wait for rows of others.
  const joined = `STRAIGHT_JOIN ${table} AS ${ALIAS} FORCE INDEX (PRIMARY) ON ${ALIAS}.${c.id} = given.${c.id}`;

  // The condition of the IF is always true; computing it adds the bit of this call to the answer.
  const useSql = ({ guard }: GuardedClauses, size: number): string => `
    UPDATE ${given(size, '')}
    STRAIGHT_JOIN (SELECT LAST_INSERT_ID(1) AS one, COUNT(*) AS locked FROM (SELECT 1 AS id) AS locks) AS locks_taken ${joined}
    SET ${ALIAS}.${c.usedAt} = IF(LAST_INSERT_ID(LAST_INSERT_ID() | 1 << given.nth) > 0, :now, NULL),
      ${ALIAS}.${c.useKey} = ${ofCall(size)('useKey')}
    WHERE locks_taken.one = 1 AND ${perCall(guard, size)}${isWithoutFactor}`;

  const compareSql = (roles: QuotaRoleLetters, size: number, quotaCount: number): string => {
    // Each row is compared with the codes of its own call alone. Compared with those of the whole batch, a row could be confirmed by the
    // code of another confirmation.
    const nth = `FIELD(${c.id}, ${elementPlaceholders('call', 'id', size)})`;
    const macs = ring.map(
      (index) => `ELT(${nth}, ${elementPlaceholders('call', `codeMac${index}`, size)})`,
    );
    const isRight = 'given.is_right';
    const isLast = `(${isRight} OR ${ofCall(size)('isLast')} = '1')`;
    const many = joins!.joinMany(roles, quotaCount, { isRight, isLast, ofCall: ofCall(size) });
    const confirmation = withTableAlias(ALIAS, names);
    const { attempts } = confirmation.column;
    const bits = `(1 + 2 * ${isRight}) << (2 * given.nth - 1)`;
    const assignments = [
      ...many.set,
      ...comparedColumns(
        engine,
        confirmation,
        (value, before) => `IF(${isRight}, ${value}, ${before})`,
        // The condition is always true; computing it adds the bits of this call to the answer.
        `IF(LAST_INSERT_ID(LAST_INSERT_ID() | ${bits}) > 0, ${attempts} + 1, ${attempts})`,
      ),
    ];
    return `
      UPDATE ${given(size, `, ${DIALECTS[engine].exactly(c.codeMac, macs.join(', '))} AS is_right`)}
      STRAIGHT_JOIN ${many.locks} ${joined} ${many.tables}
      SET ${assignments.join(', ')}
      WHERE ${many.isAllowed} AND ${perCall(clauses.isOpen, size)}
        AND ${perCall(unchangedClause(confirmation), size)}
        AND ${attempts} = ${ofCall(size)('seenAttempts')}`;
  };

  return {
    find: (calls) => {
      const size = statementSizeFor(calls);
      return once(`find ${size}`, () =>
        DIALECTS[engine].onPrimary(
          `SELECT ${foundColumns(context)}, ${c.slotKeys} AS slotKeys FROM ${table} FORCE INDEX (PRIMARY)
          WHERE ${c.id} IN (${elementPlaceholders('call', 'id', size)})`,
        ),
      );
    },
    insert: (calls) =>
      once(`insert ${calls}`, () => {
        const rows = Array.from(
          { length: calls },
          (_, index) => `(${inserted.values.replace(PLACEHOLDER, `:call${index}_$1`)})`,
        );
        return `INSERT INTO ${table} (${inserted.columns}) VALUES ${rows.join(', ')}`;
      }),
    use: (calls) => {
      const size = statementSizeFor(calls);
      return once(`use ${size}`, () => useSql(clauses.use, size));
    },
    useByAllowedSender: (calls) => {
      const size = statementSizeFor(calls);
      return once(`useByAllowedSender ${size}`, () => useSql(clauses.useByAllowedSender, size));
    },
    compare: (roles, calls, quotaCount) => {
      const [size, locks] = [statementSizeFor(calls), statementSizeFor(quotaCount)];
      return once(`compare ${roles} ${size} ${locks}`, () => compareSql(roles, size, locks));
    },
  };
}

/** The same columns as those of a joined table, because both tables have a column `id`. */
export function withTableAlias(name: string, names: ConfirmationTable): ConfirmationTable {
  const column = Object.entries(names.column).map(([property, each]) => [
    property,
    `${name}.${each}`,
  ]);
  return { ...names, column: Object.fromEntries(column) as ConfirmationTable['column'] };
}
