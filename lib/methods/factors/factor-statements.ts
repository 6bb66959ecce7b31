import { Statement, type TableNames } from '../../database/index.js';
import {
  DIALECTS,
  endedRows,
  pendingClause,
  type EndedRows,
  type StatementContext,
} from '../../confirmation/index.js';
import type { FactorWrite } from './factor-method.js';
import { SPENT_CODE, SUBJECT_ROW, type FactorRecord } from './factor-record.entity.js';

export type FactorStatements = Readonly<
  Record<
    | 'touchSubject'
    | 'insert'
    | 'list'
    | 'listInTransaction'
    | 'activate'
    | 'rename'
    | 'remove'
    | 'removePending'
    | 'noteForgotten'
    | 'removeRecovery'
    | 'removeFactors'
    | 'removeAll'
    | 'sealed'
    | 'reseal'
    | 'countAttempt'
    | 'uncountAttempt'
    | 'confirm'
    | 'confirmUnlocked'
    | 'findConfirmation'
    | 'keepConfirmation'
    | 'findHandle'
    | FactorWrite,
    Statement
  >
>;

/** One statement for a settlement on PostgreSQL, which locks the confirmation before it touches the factor. */
export type SettleStatements = Readonly<Record<FactorWrite, Statement>>;

/** Keeps a row from being deleted. SQLite has one writer at a time. */
const KEEP_ROW_LOCK = { mysql: 'FOR UPDATE', postgres: 'FOR KEY SHARE', sqlite: '' } as const;

/** Built once for a data source. All SQL of the factors, and that of the confirmations which concerns them. */
export function factorStatements(
  { engine, names }: StatementContext,
  factors: TableNames<keyof FactorRecord>,
): FactorStatements {
  const { exactly, returning, allRows, onPrimary } = DIALECTS[engine];
  const { table, column: f, columns, alias } = factors;
  const { table: confirmations, column: c } = names;

  // Found by a hash of the subject and the application: a collation without regard to case would find the factors of `Ann` for
  // `ann`.
  const ofSubject = `${f.subjectKey} = :subjectKey`;
  const ofAll = `SELECT ${columns} FROM ${table} WHERE ${ofSubject}`;
  const upsert =
    engine === 'mysql'
      ? `ON DUPLICATE KEY UPDATE ${f.counter} = ${f.counter} + 1`
      : `ON CONFLICT (${f.id}) DO UPDATE SET ${f.counter} = stored.${f.counter} + 1`;
  const stored = engine === 'mysql' ? '' : 'AS stored';
  const isPending = `${c.id} = :id AND ${pendingClause(names)} AND ${c.methods} LIKE :allowing`;
  const isUnlocked = `${c.attempts} < ${c.maxAttempts}`;
  const confirm = `
    UPDATE ${confirmations} SET ${c.confirmedAt} = :now, ${c.useBefore} = :useBefore, ${c.confirmedBy} = :method,
      ${c.factorId} = :factorId
    WHERE ${isPending} AND ${c.createdAt} >= :activatedAt`;
  const isUnspent = `${f.id} = :factorId AND ${f.activatedAt} = :activatedAt`;

  const { writes, guards } = clausesOf(factors);

  const sql: Record<keyof FactorStatements, string> = {
    // Written before anything else of the subject: two removals of the last two factors, or two first activations, then run
    // one after the other. A lock by SELECT would not do, because Galera does not replicate it.
    touchSubject: `
      INSERT INTO ${table} ${stored} (${f.id}, ${f.application}, ${f.subjectKey}, ${f.subject}, ${f.method}, ${f.data}, ${f.counter}, ${f.createdAt})
      VALUES (:id, :application, :subjectKey, :subject, '${SUBJECT_ROW}', :data, 0, :now) ${upsert}`,
    insert: `
      INSERT INTO ${table} (${f.id}, ${f.application}, ${f.subjectKey}, ${f.subject}, ${f.method}, ${f.label}, ${f.handle}, ${f.data},
        ${f.counter}, ${f.createdAt}, ${f.activatedAt}, ${f.expiresAt})
      VALUES (:id, :application, :subjectKey, :subject, :method, :label, :handle, :data, :counter, :createdAt, :activatedAt, :expiresAt)`,
    // Without an order, which MariaDB drops in a derived table: the store sorts.
    list: onPrimary(ofAll),
    // A locking read sees what is committed, also in a transaction of the caller that began before it.
    listInTransaction: `${ofAll} ORDER BY ${f.id} ${engine === 'mysql' ? 'FOR UPDATE' : ''}`,
    activate: `
      UPDATE ${table} SET ${f.activatedAt} = :now, ${f.lastUsedAt} = :now, ${f.counter} = :counter,
        ${f.handle} = :handle, ${f.data} = :data
      WHERE ${f.id} = :id AND ${f.activatedAt} IS NULL`,
    rename: `UPDATE ${table} SET ${f.label} = :label WHERE ${f.id} = :id`,
    remove: `DELETE FROM ${table} WHERE ${f.id} = :id`,
    removePending: `DELETE FROM ${table} WHERE ${ofSubject} AND ${f.activatedAt} IS NULL AND ${f.method} = :method ${allRows}`,
    // Never earlier than it was: the clocks of two instances may differ.
    noteForgotten: `
      UPDATE ${table} SET ${f.lastUsedAt} = CASE WHEN ${f.lastUsedAt} >= :now THEN ${f.lastUsedAt} ELSE :now END
      WHERE ${f.id} = :id`,
    // The used ones too: what they have confirmed ends with them.
    removeRecovery: `DELETE FROM ${table} WHERE ${ofSubject} AND ${f.method} IN ('recovery', '${SPENT_CODE}') ${allRows}`,
    removeFactors: `DELETE FROM ${table} WHERE ${ofSubject} AND ${f.method} <> '${SUBJECT_ROW}' ${allRows}`,
    removeAll: `DELETE FROM ${table} WHERE ${ofSubject} ${allRows}`,
    // Of the primary: a factor that a replica does not have yet would lose its secret together with the former key.
    sealed: onPrimary(
      `SELECT ${columns} FROM ${table}
      WHERE ${f.id} > :after AND ${f.application} = :application AND ${f.data} LIKE 'v1.%'
      ORDER BY ${f.id} LIMIT :limit`,
      alias.id,
    ),
    // Not of a secret that a concurrent call has sealed again, or replaced.
    reseal: `UPDATE ${table} SET ${f.data} = :data WHERE ${f.id} = :id AND ${exactly(f.data, ':old')}`,
    // Counted and committed before anything is compared: 40 parallel guesses at a limit of 5 are 5 comparisons.
    countAttempt: `
      UPDATE ${confirmations} SET ${c.attempts} = ${c.attempts} + 1 WHERE ${isPending} AND ${isUnlocked}
      ${returning(names)}`,
    // Once for an attempt that was counted, and only for a right code: see `FactorConfirmationMethod`.
    uncountAttempt: `
      UPDATE ${confirmations} SET ${c.attempts} = ${c.attempts} - 1
      WHERE ${c.id} = :id AND ${pendingClause(names)} AND ${c.attempts} > 0`,
    // The attempt is counted already: the right code on the last try confirms.
    confirm,
    confirmUnlocked: `${confirm} AND ${isUnlocked}`,
    findConfirmation: onPrimary(
      `SELECT ${names.columns} FROM ${confirmations} WHERE ${c.id} = :id`,
    ),
    // A locking read sees what is committed, and keeps it: in a transaction of the caller MySQL would read an erased row from its snapshot.
    keepConfirmation: `SELECT ${c.id} FROM ${confirmations} WHERE ${c.id} = :id ${KEEP_ROW_LOCK[engine]}`,
    // Spends a time step of a factor. Of all calls on all instances only one can spend it.
    spend: `${writes.spend} WHERE ${isUnspent} AND ${guards.spend}`,
    // That of a passkey advances with each signature, or is always 0.
    advance: `${writes.advance} WHERE ${isUnspent} AND ${guards.advance}`,
    consume: `${writes.consume} WHERE ${isUnspent} AND ${guards.consume}`,
    touch: `${writes.touch} WHERE ${isUnspent} AND ${guards.touch}`,
    findHandle: `SELECT ${f.id} AS ${alias.id} FROM ${table} WHERE ${f.handle} = :handle`,
  };
  return Object.fromEntries(
    Object.entries(sql).map(([name, text]) => [name, new Statement(engine, text)]),
  ) as unknown as FactorStatements;
}

/** The rows that a purge deletes: enrolments that have ended, and what has expired for so long that no proof by it can be left. */
export function endedFactors(
  { engine }: StatementContext,
  { table, column: f, alias }: TableNames<keyof FactorRecord>,
): EndedRows {
  const isPending = `${f.activatedAt} IS NULL AND ${f.method} <> '${SUBJECT_ROW}'`;
  return endedRows(
    engine,
    { table, id: f.id, alias: alias.id },
    `((${isPending} AND ${f.createdAt} < :begunBefore) OR ${f.expiresAt} < :expiredBefore)`,
  );
}

/** What the writes of a settlement set, and what they must still find true. */
function clausesOf({ table, column: f }: TableNames<keyof FactorRecord>): {
  readonly writes: Readonly<Record<FactorWrite, string>>;
  readonly guards: Readonly<Record<FactorWrite, string>>;
} {
  // Different each time, also twice in a millisecond: MySQL counts a row that stays as it was as one that was not found.
  const used = `${f.lastUsedAt} = CASE WHEN ${f.lastUsedAt} >= :now THEN ${f.lastUsedAt} + 1 ELSE :now END`;
  return {
    writes: {
      spend: `UPDATE ${table} SET ${f.counter} = :counter, ${f.lastUsedAt} = :now`,
      advance: `UPDATE ${table} SET ${f.counter} = :counter, ${used}`,
      consume: `UPDATE ${table} SET ${f.method} = '${SPENT_CODE}', ${f.handle} = NULL, ${f.data} = NULL, ${f.expiresAt} = :useBefore`,
      touch: `UPDATE ${table} SET ${used}`,
    },
    guards: {
      spend: `${f.counter} < :counter`,
      advance: `(${f.counter} < :counter OR (${f.counter} = 0 AND :counter = 0))`,
      consume: `${f.method} = 'recovery'`,
      touch: `${f.expiresAt} > :now`,
    },
  };
}

/**
 * Locks the confirmation first. With the factor first, ten recovery codes that are tried on one confirmation at once would all
 * be used for one proof.
 */
export function settleStatements(
  { engine, names }: StatementContext,
  factors: TableNames<keyof FactorRecord>,
): SettleStatements | null {
  if (engine !== 'postgres') return null;
  const { column: f } = factors;
  const { table: confirmations, column: c, columns } = names;
  const settle = (isUnlocked: string, spend: string): Statement =>
    new Statement(
      engine,
      `
      WITH locked AS MATERIALIZED (
        SELECT ${c.id} AS "lockedId" FROM ${confirmations}
        WHERE ${c.id} = :id AND ${pendingClause(names)} AND ${c.methods} LIKE :allowing
          AND ${c.createdAt} >= :activatedAt ${isUnlocked}
        FOR NO KEY UPDATE),
      spent AS (${spend} AND ${f.id} = :factorId AND ${f.activatedAt} = :activatedAt RETURNING ${f.id} AS "spentId")
      UPDATE ${confirmations} SET ${c.confirmedAt} = :now, ${c.useBefore} = :useBefore, ${c.confirmedBy} = :method,
        ${c.factorId} = "spentId"
      FROM spent WHERE ${c.id} = :id
      RETURNING ${columns}`,
    );
  const { writes, guards } = clausesOf(factors);
  const isUnlocked = `AND ${c.attempts} < ${c.maxAttempts}`;
  return {
    spend: settle('', `${writes.spend} FROM locked WHERE ${guards.spend}`),
    advance: settle(isUnlocked, `${writes.advance} FROM locked WHERE ${guards.advance}`),
    consume: settle(isUnlocked, `${writes.consume} FROM locked WHERE ${guards.consume}`),
    touch: settle(isUnlocked, `${writes.touch} FROM locked WHERE ${guards.touch}`),
  };
}
