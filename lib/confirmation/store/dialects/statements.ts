import { placeholders, type Engine, Statement } from '../../../database/index.js';
import type { PurposeAccess } from '../../../options/index.js';
import type {
  ConfirmationDialect,
  ConfirmationTable,
  FactorTable,
  StatementContext,
} from './confirmation-dialect.js';
import { MAX_FAILED_CALLS } from '../../model/confirmation-status.js';
import { FACTOR_GONE, type NewConfirmation } from '../row-mapping.js';
import { queueClauses, QUEUED } from './queue-clauses.js';
import { mysqlDialect } from './mysql.dialect.js';
import { postgresDialect } from './postgres.dialect.js';
import { sqliteDialect } from './sqlite.dialect.js';

export const DIALECTS: Readonly<Record<Engine, ConfirmationDialect>> = {
  postgres: postgresDialect,
  mysql: mysqlDialect,
  sqlite: sqliteDialect,
};

/** Every statement on the table. Each UPDATE decides one race: a call whose UPDATE affects no row has lost. */
export type ConfirmationStatements = Readonly<
  Record<
    | 'insert'
    | 'insertUnlessTaken'
    | 'find'
    | 'confirm'
    | 'confirmByHand'
    | 'use'
    | 'useByAllowedSender'
    | 'reserve'
    | 'reserveByAllowedSender'
    | 'keepReserved'
    | 'release'
    | 'bind'
    | 'retrySooner'
    | 'updateFailureKeys'
    | 'cancel'
    | 'erase',
    Statement
  >
>;

/** The statements that have a form for batches. */
export type BatchName =
  | 'insert'
  | 'find'
  | 'confirm'
  | 'use'
  | 'useByAllowedSender'
  | 'reserve'
  | 'reserveByAllowedSender';

/** The parts that a statement for one call and a statement for a batch have in common. */
export interface ConfirmationClauses {
  readonly inserted: { readonly columns: string; readonly values: string };
  /** Whether the caller may access the row: another subject's confirmation does not exist for the caller. */
  readonly isAccessible: string;
  /** Whether a code would still be compared, and whether it is the right one. */
  readonly isOpen: string;
  readonly codeMatches: string;
  readonly confirm: UpdateClauses;
  readonly use: GuardedClauses;
  /** Whether the code was sent by one of the senders in `:ways`; NULL allows any sender. */
  readonly hasAllowedSender: string;
  /** The same UPDATE as `use`, with the condition `hasAllowedSender`. */
  readonly useByAllowedSender: GuardedClauses;
}

export interface UpdateClauses {
  readonly set: string;
  readonly where: string;
}

/** `where` without the condition that names the row. */
export interface GuardedClauses extends UpdateClauses {
  readonly guard: string;
}

/** What an INSERT writes, by column: a member of `NewConfirmation` that is missing here would be lost, and does not compile. */
const INSERTED_VALUES: Readonly<Record<keyof NewConfirmation | 'attempts', string>> = {
  id: ':id',
  purpose: ':purpose',
  subject: ':subject',
  details: ':details',
  detailsMac: ':detailsMac',
  meta: ':meta',
  maxAttempts: ':maxAttempts',
  createdAt: ':createdAt',
  expiresAt: ':expiresAt',
  way: ':way',
  methods: ':methods',
  codeMac: ':codeMac',
  envelope: ':envelope',
  failureKeys: ':failureKeys',
  slotKeys: ':slotKeys',
  attempts: '0',
  sends: ':sends',
  lastSentAt: ':lastSentAt',
  confirmedAt: ':confirmedAt',
  confirmedBy: ':confirmedBy',
  useBefore: ':useBefore',
};
const INSERTED_NAMES = Object.keys(INSERTED_VALUES) as (keyof typeof INSERTED_VALUES)[];

/** Built once for a data source. */
export function confirmationStatements(terms: StatementContext): ConfirmationStatements {
  return Object.fromEntries(
    Object.entries(statementTexts(terms)).map(([name, text]) => [
      name,
      new Statement(terms.engine, text),
    ]),
  ) as unknown as ConfirmationStatements;
}

function statementTexts(terms: StatementContext): Record<keyof ConfirmationStatements, string> {
  const { engine, names } = terms;
  const { returning, exactly, unlessTaken, allRows, onPrimary } = DIALECTS[engine];
  const { table, column: c } = names;
  const { inserted, confirm, use, useByAllowedSender } = confirmationClauses(terms);
  const pending = pendingClause(names);

  const insert = `INSERT INTO ${table} (${inserted.columns}) VALUES (${inserted.values})`;
  return {
    // No other row has a drawn id. ON CONFLICT would write one more record to PostgreSQL's log for each row.
    insert,
    insertUnlessTaken: `${insert} ${unlessTaken(names)}`,
    find: onPrimary(`SELECT ${foundColumns(terms)} FROM ${table} WHERE ${c.id} = :id`),
    // Counts and compares in one statement: no guess is ever compared without being counted, and none is counted twice.
    confirm: `UPDATE ${table} SET ${confirm.set} WHERE ${confirm.where} ${returning(names)}`,
    confirmByHand: `
      UPDATE ${table} SET ${c.confirmedAt} = :now, ${c.useBefore} = :useBefore, ${c.confirmedBy} = 'hand'
      WHERE ${c.id} = :id AND ${pending}
      ${returning(names)}`,
    use: `UPDATE ${table} SET ${use.set} WHERE ${use.where}`,
    useByAllowedSender: `UPDATE ${table} SET ${useByAllowedSender.set} WHERE ${useByAllowedSender.where}`,
    // The same guard as `use`: of parallel calls one reserves, and the others are refused before their handlers run.
    reserve: `UPDATE ${table} SET ${use.set} WHERE ${use.where} ${returning(names)}`,
    reserveByAllowedSender: `UPDATE ${table} SET ${useByAllowedSender.set} WHERE ${useByAllowedSender.where} ${returning(names)}`,
    // Both match the mark of one call: no call keeps or releases what another call has reserved.
    keepReserved: `
      UPDATE ${table} SET ${c.useKey} = NULL WHERE ${c.id} = :id AND ${exactly(c.useKey, ':mark')}`,
    // Once the transaction of `useReserved` has committed, the mark is gone and nothing is released.
    release: `
      UPDATE ${table} SET ${c.usedAt} = NULL, ${c.useKey} = NULL, ${c.attempts} = ${c.attempts} + 1
      WHERE ${c.id} = :id AND ${exactly(c.useKey, ':mark')}`,
    bind: `
      UPDATE ${table} SET ${c.way} = :way, ${c.envelope} = :envelope, ${c.codeMac} = :codeMac,
        ${c.failureKeys} = :failureKeys,
        ${c.sends} = ${c.sends} + 1, ${c.lastSentAt} = :now
      WHERE ${c.id} = :id AND ${unchangedClause(names)}
        AND ${c.sends} < :maxSends AND ${pending}
        AND ${c.attempts} < ${c.maxAttempts} AND (${c.lastSentAt} IS NULL OR ${c.lastSentAt} <= :sentBefore)
      ${returning(names)}`,
    retrySooner: `
      UPDATE ${table} SET ${c.lastSentAt} = :lastSentAt WHERE ${c.id} = :id AND ${c.sends} = :seenSends`,
    // A concurrent `bind` writes newer keys and counts a message: then this one must not overwrite them.
    updateFailureKeys: `
      UPDATE ${table} SET ${c.failureKeys} = :failureKeys WHERE ${c.id} = :id AND ${c.sends} = :seenSends`,
    cancel: `
      UPDATE ${table} SET ${c.cancelledAt} = :now
      WHERE ${c.id} = :id AND ${c.usedAt} IS NULL AND ${c.cancelledAt} IS NULL
      ${returning(names)}`,
    erase: `DELETE FROM ${table} WHERE ${exactly(c.subject, ':subject')} ${allRows}`,
  };
}

/**
 * The statements that also insert the row of a message in the queue. On PostgreSQL one statement does both; elsewhere the two
 * are one transaction, and `second` has its second statement.
 */
export interface QueuedStatements {
  readonly insert: Statement;
  readonly insertUnlessTaken: Statement;
  readonly bind: Statement;
  /** `null` on PostgreSQL. */
  readonly second: Readonly<Record<'first' | 'firstOnce' | 'next', Statement>> | null;
}

/** `null` where messages are not queued. */
export function queuedStatements(terms: StatementContext): QueuedStatements | null {
  const { engine, names, queue } = terms;
  if (queue === null) return null;
  const { insertInto, first, next, orReplace } = queueClauses(engine, queue);
  const { insert, insertUnlessTaken, bind } = statementTexts(terms);
  const compile = (sql: string): Statement => new Statement(engine, sql);
  if (engine !== 'postgres') {
    return {
      insert: compile(insert),
      insertUnlessTaken: compile(insertUnlessTaken),
      bind: compile(bind),
      second: {
        first: compile(`${insertInto} VALUES (${first})`),
        firstOnce: compile(`${insertInto} VALUES (${first}) ${orReplace}`),
        next: compile(`${insertInto} VALUES (${next}) ${orReplace}`),
      },
    };
  }
  const { id } = names.column;
  const typed = (values: string): string =>
    values.replace(
      /:queued(\w+)/g,
      (placeholder, name: string) => `CAST(${placeholder} AS ${QUEUED[`queued${name}`]})`,
    );
  const both = (write: string, values: string, end: string): Statement =>
    compile(`
      WITH made AS (${write}), queued AS (${insertInto} SELECT ${values} FROM made ${end}) SELECT * FROM made`);
  const { alias } = names;
  const firstOf = typed(first.replace(':id', alias.id).replace(':way', alias.way));
  const nextOf = typed(
    next.replace(':id', alias.id).replace(':seenSends + 1', alias.sends).replace(':way', alias.way),
  );
  const returned = `RETURNING ${id} AS ${alias.id}, ${names.column.way} AS ${alias.way}`;
  return {
    insert: both(`${insert} ${returned}`, firstOf, ''),
    insertUnlessTaken: both(`${insertUnlessTaken} ${returned}`, firstOf, orReplace),
    bind: both(bind, nextOf, orReplace),
    second: null,
  };
}

/** Names of purposes. They consist of letters, digits and hyphens, so that they need no placeholders. */
function literals(purposes: readonly string[]): string {
  return purposes.length === 0 ? 'NULL' : purposes.map((purpose) => `'${purpose}'`).join(', ');
}

export function confirmationClauses({
  engine,
  names,
  keys,
  purposes,
  factors,
}: StatementContext): ConfirmationClauses {
  const { exactly, isAbsent, isAmong } = DIALECTS[engine];
  const { column: c } = names;
  const codeMatches = exactly(c.codeMac, placeholders('codeMac', keys));
  const isAccessibleTo = ({ anyone, subjectOnly }: PurposeAccess): string =>
    `${exactly(c.purpose, literals(anyone))} OR (${exactly(c.purpose, literals(subjectOnly))}
      AND ${c.subject} <> '' AND ${exactly(c.subject, ':scopedSubject')})`;
  const isAccessible = `(${isAbsent(':scopedSubject')} OR ${isAccessibleTo(purposes)})`;
  const isOpen = `${c.codeMac} IS NOT NULL AND ${pendingClause(names)} AND ${c.attempts} < ${c.maxAttempts} AND ${isAccessible}`;
  const guarded = (guard: string): GuardedClauses => ({
    set: `${c.usedAt} = :now, ${c.useKey} = :useKey`,
    guard,
    where: `${c.id} = :id AND ${guard}`,
  });
  const use = guarded(`${c.purpose} = :purpose AND ${exactly(c.subject, ':subject')}
        AND ${exactly(c.detailsMac, placeholders('detailsMac', keys))} AND ${c.confirmedAt} IS NOT NULL
        AND ${c.usedAt} IS NULL AND ${c.cancelledAt} IS NULL AND ${c.useBefore} > :now
        AND ${c.attempts} < ${c.maxAttempts} + ${MAX_FAILED_CALLS}${
          factors === null
            ? ''
            : `
        AND ${hasConfirmingFactor(engine, names, factors)}`
        }`);
  const compared = comparedColumns(
    engine,
    names,
    (value, before) => `CASE WHEN ${codeMatches} THEN ${value} ELSE ${before} END`,
  );
  const hasAllowedSender = `(${isAbsent(':ways')} OR (${c.way} <> '' AND ${isAmong(c.way, ':ways')}))`;
  return {
    isAccessible,
    isOpen,
    codeMatches,
    inserted: {
      columns: INSERTED_NAMES.map((name) => c[name]).join(', '),
      values: INSERTED_NAMES.map((name) => INSERTED_VALUES[name]).join(', '),
    },
    confirm: {
      set: compared.join(', '),
      where: `${c.id} = :id AND ${isOpen}`,
    },
    use,
    hasAllowedSender,
    useByAllowedSender: guarded(`${use.guard} AND ${hasAllowedSender}`),
  };
}

/**
 * What a statement that compares a code sets, in one list for all of them: one that left out a column would count no attempt, or make a
 * proof that never expires.
 *
 * @param ifRight a value for the right code, and the value before for a wrong one.
 * @param attempts the new number of attempts.
 */
export function comparedColumns(
  engine: Engine,
  { column: c }: ConfirmationTable,
  ifRight: (value: string, before: string) => string,
  attempts = `${c.attempts} + 1`,
): string[] {
  const { epochMs } = DIALECTS[engine];
  return [
    `${c.attempts} = ${attempts}`,
    `${c.confirmedBy} = ${ifRight("'code'", c.confirmedBy)}`,
    `${c.confirmedAt} = ${ifRight(epochMs(':now'), c.confirmedAt)}`,
    `${c.useBefore} = ${ifRight(epochMs(':useBefore'), c.useBefore)}`,
  ];
}

/**
 * Whether what confirmed the row is still there. A thief who had confirmed by a stolen phone would otherwise use that proof after the
 * owner has removed the app. Asked in the statement that uses the proof: a removal that has committed before it ends the proof,
 * whatever the order in which the confirmation and the removal ran. The changes of factors ask the same by `isStillThere`.
 *
 * MySQL and MariaDB ask once the row is locked; under REPEATABLE READ and above by a lock on the factor that lasts until the transaction
 * ends, under READ COMMITTED without one. PostgreSQL asks before it waits for the row, and not again when the transaction that held it is rolled back: a use that waits since before a removal pays
 * then. `FOR KEY SHARE` would let the removal wait, but two calls that use one proof and then remove its factor deadlock by it.
 *
 * A scalar subquery, which reads one row by the primary key: for an EXISTS in an OR PostgreSQL may read the whole table.
 */
function hasConfirmingFactor(
  engine: Engine,
  { column: c }: ConfirmationTable,
  factors: FactorTable,
): string {
  return `(${c.factorId} IS NULL OR ${confirmingFactorSql(engine, c.factorId, factors)} IS NOT NULL)`;
}

/** The columns of a row that is read, and whether the factor that confirmed it is gone. */
export function foundColumns({ engine, names, factors }: StatementContext): string {
  if (factors === null) return names.columns;
  const { factorId } = names.column;
  const isGone = `${factorId} IS NOT NULL AND ${confirmingFactorSql(engine, factorId, factors)} IS NULL`;
  return `${names.columns}, CASE WHEN ${isGone} THEN 1 ELSE 0 END AS ${FACTOR_GONE}`;
}

function confirmingFactorSql(engine: Engine, factorId: string, { table, id }: FactorTable): string {
  const key = DIALECTS[engine].asKey(factorId);
  return `(SELECT confirming.${id} FROM ${table} confirming WHERE confirming.${id} = ${key})`;
}

/** Whether no message was recorded since the row was read, and no other row has taken its id. */
export function unchangedClause({ column: c }: ConfirmationTable): string {
  return `${c.sends} = :seenSends AND ${c.createdAt} = :seenCreatedAt`;
}

/** Whether a row could neither be confirmed nor used since `:before`. */
export function deadClause({ column: c }: ConfirmationTable): string {
  return `${c.expiresAt} < :before AND (${c.useBefore} IS NULL OR ${c.useBefore} < :before)`;
}

export function pendingClause({ column: c }: ConfirmationTable): string {
  return `${c.confirmedAt} IS NULL AND ${c.cancelledAt} IS NULL AND ${c.expiresAt} > :now`;
}
