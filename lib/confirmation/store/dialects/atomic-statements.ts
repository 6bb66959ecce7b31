import {
  batchRowsSql,
  asBatchColumns,
  type BatchColumnTypes,
  Statement,
} from '../../../database/index.js';
import type { LimitClauses } from '../../../limits/index.js';
import type { StatementContext } from './confirmation-dialect.js';
import { candidates, INSERTED } from './batch-statements.js';
import { confirmationClauses } from './statements.js';

/**
 * What became of a code: compared; not compared, because the confirmation has ended or there is none; or refused, and why
 * is for other statements to say.
 */
export type VerifyOutcome = 'compared' | 'ended' | 'unknown' | 'refused';

/** Statements that charge budgets together with what they are charged for: all of it happens, or nothing. */
export interface AtomicStatements {
  /** Waits for the rows it needs; answers nothing about a code that was not compared. */
  readonly one: Readonly<Record<'insert' | 'confirm', Statement>>;
  /** As joined statements: who would have to wait is left out. */
  readonly many: Readonly<Record<'insert' | 'confirm', Statement>>;
}

const RING = `split_part("failureKeys", '|', 1) = :ring`;
/** A condition that is always true makes the planner expect one row: see `givenRows`. */
const FAILURE_KEYS = `
  unnest(string_to_array(split_part("failureKeys", '|', 2), ',')) AS key WHERE "isOpen" AND ${RING} AND key = key || ''`;
/** Somebody came in between: whatever this statement has done, it has not. */
const ROLL_BACK_SELF = '1 / (SELECT 0 * count(*) FROM charged) = 0';
const CHARGES = `
  json_to_recordset(CAST("given_charges" AS json)) AS charges (id varchar, kind varchar, amount int, allowed int, "endsAt" bigint)
  WHERE id = id || ''`;

/**
 * Their values are the call's own, or `:rows` of many, and those of the clauses. Rows are locked in one order: first the
 * confirmations, then failures by their keys, then places.
 */
export function atomicStatements(terms: StatementContext, limits: LimitClauses): AtomicStatements {
  const { engine, names, keys } = terms;
  const { table, column: c, columns, alias } = names;
  const { inserted, confirm, isAccessible, isOpen, codeMatches } = confirmationClauses(terms);
  const compile = (sql: string): Statement => new Statement(engine, sql);
  const made: BatchColumnTypes = { ...INSERTED, owner: 'varchar', charges: 'text' };
  const tried: BatchColumnTypes = {
    id: 'varchar',
    owner: 'varchar',
    whose: 'varchar',
    ...candidates('codeMac', keys),
  };
  const triedColumns = Object.keys(tried).map((name) => `"given_${name}"`);
  const read = Object.values(alias);
  const nulls = read.map(() => 'NULL');

  const insertInto = `INSERT INTO ${table} (${inserted.columns})`;
  // A row that the caller may not access is not locked either: PostgreSQL writes a row lock into the row, and the time that
  // takes would tell a stranger that the id exists.
  const accessible = `${table} AS stored ON stored.${c.id} = "given_id" AND ${asBatchColumns(isAccessible, tried)}`;
  const lock = (locking: string): string => `
    locked AS MATERIALIZED (
      SELECT given.*, ${columns}, ${c.failureKeys} AS "failureKeys", ${c.slotKeys} AS "slotKeys",
        ${asBatchColumns(isOpen, tried)} AS "isOpen", ${asBatchColumns(codeMatches, tried)} AS "isRight"
      FROM given JOIN ${accessible} FOR NO KEY UPDATE OF stored ${locking})`;
  const compare = `
    compared AS (
      UPDATE ${table} SET ${asBatchColumns(confirm.set, tried)} FROM going WHERE ${asBatchColumns(confirm.where, tried)}
      RETURNING going.*, ${columns}),
    done AS (
      SELECT "slotKeys" AS places, "given_owner" AS owner FROM compared
      WHERE "slotKeys" IS NOT NULL AND (${alias.confirmedAt} IS NOT NULL OR ${alias.attempts} >= ${alias.maxAttempts})),
    freed AS (${limits.freePlaces})`;
  const locks = `json_agg(json_build_object('key', id, 'amount', amount, 'endsAt', ends_at))`;

  return {
    one: {
      insert: compile(`
        WITH given AS MATERIALIZED (SELECT CAST(:charges AS text) AS "given_charges", CAST(:owner AS varchar) AS owner),
        wanted AS MATERIALIZED (
          SELECT id, kind, amount, allowed, "endsAt" AS ends_at FROM given, ${CHARGES}),
        ${limits.request.one},
        made AS (
          ${insertInto} SELECT ${casts(inserted.values, INSERTED)} WHERE NOT EXISTS (SELECT 1 FROM spent)
            AND (SELECT count(*) FROM charged) = (SELECT count(*) FROM wanted WHERE amount > 0)
          RETURNING ${c.id})
        SELECT EXISTS (SELECT 1 FROM made) AS "isMade",
          CASE WHEN NOT EXISTS (SELECT 1 FROM made) THEN (SELECT string_agg(id, ',') FROM charged) END AS "inVain"`),
      confirm: compile(`
        WITH given AS MATERIALIZED (${batchRowSql(tried)}),
        ${lock('')},
        wanted AS MATERIALIZED (SELECT "isRight" AS is_right, key FROM locked, ${FAILURE_KEYS}),
        ${limits.failures.one},
        going AS MATERIALIZED (
          SELECT ${triedColumns.join(', ')}, "slotKeys" FROM locked WHERE "isOpen" AND ${RING} AND CASE
            WHEN EXISTS (SELECT 1 FROM spent) THEN false
            WHEN (SELECT count(*) FROM charged) = (SELECT count(*) FROM wanted) THEN true
            ELSE ${ROLL_BACK_SELF} END),
        ${compare}
        SELECT 'compared' AS "outcome", ${read.join(', ')},
          (SELECT ${locks} FROM charged WHERE ends_at > CAST(:now AS bigint)) AS "locks" FROM compared`),
    },
    many: {
      insert: compile(`
        WITH given AS MATERIALIZED (${batchRowsSql(made)}),
        wanted AS MATERIALIZED (
          SELECT "given_id" AS call, "given_owner" AS owner, id, kind, amount, allowed, "endsAt" AS ends_at
          FROM given, ${CHARGES}),
        ${limits.request.many},
        made AS (
          ${insertInto} SELECT ${asBatchColumns(inserted.values, made)} FROM given
          WHERE "given_id" NOT IN (SELECT call FROM spent)
            AND "given_id" NOT IN (SELECT call FROM wanted WHERE amount > 0 AND id NOT IN (SELECT id FROM charged))
          ORDER BY "given_id"
          RETURNING ${c.id} AS id)
        SELECT "given_id" AS "key", true AS "touched", "given_id" IN (SELECT id FROM made) AS "isMade",
          CASE WHEN "given_id" IN (SELECT id FROM made) OR "given_id" IN (SELECT call FROM spent) THEN NULL ELSE
            (SELECT string_agg(id, ',') FROM wanted
             WHERE call = "given_id" AND amount > 0 AND id IN (SELECT id FROM charged)) END AS "inVain"
        FROM given`),
      confirm: compile(`
        WITH given AS MATERIALIZED (${batchRowsSql(tried)}),
        ${lock('SKIP LOCKED')},
        wanted AS MATERIALIZED (
          SELECT "given_id" AS call, "isRight" AS is_right, key FROM locked, ${FAILURE_KEYS}),
        ${limits.failures.many},
        going AS MATERIALIZED (
          SELECT ${triedColumns.join(', ')}, "slotKeys" FROM locked WHERE "isOpen" AND ${RING} AND CASE
            WHEN "given_id" IN (SELECT call FROM spent) OR "given_id" IN (SELECT call FROM left_out) THEN false
            WHEN "given_id" NOT IN (SELECT call FROM wanted WHERE key NOT IN (SELECT id FROM charged)) THEN true
            ELSE ${ROLL_BACK_SELF} END),
        ${compare},
        locks AS MATERIALIZED (
          SELECT call, ${locks} AS locks FROM charged JOIN wanted ON key = id WHERE ends_at > CAST(:now AS bigint) GROUP BY call)
        SELECT "given_id" AS "key", true AS "touched", 'compared' AS "outcome", ${read.join(', ')}, locks AS "locks"
        FROM compared LEFT JOIN locks ON call = "given_id"
        UNION ALL SELECT "given_id", true, 'ended', ${read.join(', ')}, NULL FROM locked WHERE NOT "isOpen"
        UNION ALL SELECT "given_id", true, 'refused', ${nulls.join(', ')}, NULL FROM locked
          WHERE "isOpen" AND "given_id" NOT IN (SELECT "given_id" FROM going)
            AND "given_id" NOT IN (SELECT call FROM left_out)
        UNION ALL SELECT "given_id", true, 'unknown', ${nulls.join(', ')}, NULL FROM given
          WHERE "given_id" NOT IN (SELECT "given_id" FROM locked)
            AND "given_id" NOT IN (SELECT "given_id" FROM given JOIN ${accessible})`),
    },
  };
}

/** What one call gives, as the row that `givenRows` would make of it. */
function batchRowSql(types: BatchColumnTypes): string {
  const columns = Object.entries(types).map(
    ([name, type]) => `CAST(:${name} AS ${type}) AS "given_${name}"`,
  );
  return `SELECT ${columns.join(', ')}`;
}

/** Values of an INSERT ... SELECT, which does not look for their types in the columns. */
function casts(values: string, types: BatchColumnTypes): string {
  return values.replace(/:(\w+)/g, (_, name: string) => `CAST(:${name} AS ${types[name]})`);
}
