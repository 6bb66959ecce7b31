import {
  batchRowsSql,
  asBatchColumns,
  placeholders,
  type BatchColumnTypes,
  Statement,
} from '../../../database/index.js';
import type { LimitClauses } from '../../../limits/index.js';
import type { StatementContext } from './confirmation-dialect.js';
import { candidates, INSERTED_TYPES } from './batch-statements.js';
import { queueClauses, QUEUED, type QueueClauses } from './queue-clauses.js';
import { confirmationClauses } from './statements.js';

/**
 * What an atomic verification did. Only `compared` has counted an attempt; every other outcome has written nothing.
 *
 * - `compared`: the code was compared with the stored one.
 * - `ended`: the confirmation is confirmed, used, cancelled, expired or exhausted.
 * - `locked`: a failure quota refused the attempt.
 * - `unknown`: there is no such confirmation for this caller.
 * - `stale`: the row names quota keys of another key ring, and needs those of the current one first.
 */
export type VerifyOutcome = 'compared' | 'ended' | 'locked' | 'unknown' | 'stale';

/** Statements that consume quotas in the same write as what they limit: all of it happens, or nothing. */
export interface AtomicStatements {
  /** For one call. They wait for the rows they need. */
  readonly one: Readonly<Record<'create' | 'createOnce' | 'verify', Statement>>;
  /** For a batch. A call that would have to wait gets no row, and then runs on its own. */
  readonly many: Readonly<Record<'create' | 'verify', Statement>>;
  /** The statements that also insert the row of a queued message; `null` where messages are not queued. */
  readonly queued: {
    readonly one: Readonly<Record<'create' | 'createOnce', Statement>>;
    readonly many: Readonly<Record<'create', Statement>>;
  } | null;
}

/** `NULL`, which is not true, for a row that was made while the quotas were kept elsewhere. */
const RING = `split_part("failureKeys", '|', 1) = :ring`;
/** The condition on `key` is always true and makes the planner expect one row: see `batchRowsSql`. */
const FAILURE_KEYS = `
  unnest(string_to_array(split_part("failureKeys", '|', 2), ',')) AS key WHERE "isOpen" AND ${RING} AND key = key || ''`;
/** Divides by zero to roll the statement back when a concurrent call exhausted a quota after this one had checked it. */
const ROLL_BACK_SELF = '1 / (SELECT 0 * count(*) FROM consumed) = 0';
const REQUESTED_QUOTAS = `
  json_to_recordset(CAST("given_charges" AS json)) AS charges (id varchar, kind varchar, amount int, allowed int, "endsAt" bigint)
  WHERE id = id || ''`;
const USAGES = `json_agg(json_build_object('key', id, 'amount', amount, 'endsAt', ends_at))`;

/**
 * Their values are those of the call, or lists of a batch, and those of the clauses. Every statement locks rows in one
 * order, which rules out deadlocks: first the confirmations, then failures by their keys, then slots.
 */
export function atomicStatements(
  context: StatementContext,
  limits: LimitClauses,
): AtomicStatements {
  const { engine, names, keys } = context;
  const { table, column: c, columns, alias } = names;
  const { inserted, confirm, isAccessible, isOpen, codeMatches } = confirmationClauses(context);
  const compile = (sql: string): Statement => new Statement(engine, sql);
  const made: BatchColumnTypes = { ...INSERTED_TYPES, owner: 'varchar', charges: 'text' };
  const queue = context.queue && queueClauses(engine, context.queue);
  const { queued, queuedOnce, queuedMany } = queuedExpressions(queue);
  const tried: BatchColumnTypes = {
    id: 'varchar',
    owner: 'varchar',
    scopedSubject: 'varchar',
    ...candidates('codeMac', keys),
  };
  const triedColumns = Object.keys(tried).map((name) => `"given_${name}"`);
  const read = Object.values(alias).join(', ');
  const nulls = Object.values(alias)
    .map(() => 'NULL')
    .join(', ');

  const insertInto = `INSERT INTO ${table} (${inserted.columns})`;
  const isConsumed = `NOT EXISTS (SELECT 1 FROM exhausted)
    AND (SELECT count(*) FROM consumed) = (SELECT count(*) FROM wanted WHERE amount > 0)`;
  // `consumed` is what the caller must refund: a concurrent call came between the check and the INSERT.
  const createAnswer = `
    EXISTS (SELECT 1 FROM made) AS "isMade",
    CASE WHEN NOT EXISTS (SELECT 1 FROM made) THEN (SELECT string_agg(id, ',') FROM consumed) END AS "consumedWithoutEffect",
    (SELECT ${USAGES} FROM exhausted) AS "exhausted"`;
  // A row that the caller may not access is not locked either: PostgreSQL writes a row lock into the row, and the time that
  // takes would tell a stranger that the id exists.
  const accessible = `${table} AS stored ON stored.${c.id} = "given_id" AND ${asBatchColumns(isAccessible, tried)}`;
  // Locks the confirmation before it is judged, so that two codes for it are judged one after the other.
  const find = (locking: string): string => `
    found AS MATERIALIZED (
      SELECT given.*, ${columns}, ${c.failureKeys} AS "failureKeys", ${c.slotKeys} AS "slotKeys",
        ${asBatchColumns(isOpen, tried)} AS "isOpen", ${asBatchColumns(codeMatches, tried)} AS "isRight"
      FROM given JOIN ${accessible} FOR NO KEY UPDATE OF stored ${locking})`;
  const compare = `
    compared AS (
      UPDATE ${table} SET ${asBatchColumns(confirm.set, tried)} FROM going WHERE ${asBatchColumns(confirm.where, tried)}
      RETURNING going.*, ${columns}),
    done AS (
      SELECT "slotKeys" AS slots, "given_owner" AS owner FROM compared
      WHERE "slotKeys" IS NOT NULL AND (${alias.confirmedAt} IS NOT NULL OR ${alias.attempts} >= ${alias.maxAttempts})),
    freed AS (${limits.freeSlots})`;
  const isStale = `"isOpen" AND (${RING}) IS NOT TRUE`;

  const create = (alsoDo: string): string => `
      WITH given AS MATERIALIZED (SELECT CAST(:charges AS text) AS "given_charges", CAST(:owner AS varchar) AS owner),
      wanted AS MATERIALIZED (
        SELECT id, kind, amount, allowed, "endsAt" AS ends_at FROM given, ${REQUESTED_QUOTAS}),
      ${limits.request.one},
      made AS (${insertInto} SELECT ${casts(inserted.values, INSERTED_TYPES)} WHERE ${isConsumed} RETURNING ${c.id})${alsoDo}
      SELECT ${createAnswer}`;
  // Of concurrent repeats of one idempotency key one inserts. The others wait for it at the quotas or at the primary key,
  // insert nothing, refund, and find its row when they execute this again.
  const createOnce = (alsoDo: string): string => `
      WITH given AS MATERIALIZED (SELECT CAST(:charges AS text) AS "given_charges", CAST(:owner AS varchar) AS owner),
      taken AS MATERIALIZED (
        SELECT ${columns} FROM ${table} WHERE ${c.id} IN (${placeholders('keyId', keys)})
        ORDER BY ${keyOrder(c.id, keys)} LIMIT 1),
      wanted AS MATERIALIZED (
        SELECT id, kind, amount, allowed, "endsAt" AS ends_at FROM given, ${REQUESTED_QUOTAS}
          AND NOT EXISTS (SELECT 1 FROM taken)),
      ${limits.request.one},
      made AS (
        ${insertInto} SELECT ${casts(inserted.values, INSERTED_TYPES)}
        WHERE NOT EXISTS (SELECT 1 FROM taken) AND ${isConsumed}
        ON CONFLICT (${c.id}) DO NOTHING RETURNING ${c.id})${alsoDo}
      SELECT ${createAnswer}, taken.* FROM given LEFT JOIN taken ON true`;
  const createMany = (types: BatchColumnTypes, alsoDo: string): string => `
      WITH given AS MATERIALIZED (${batchRowsSql(types)}),
      wanted AS MATERIALIZED (
        SELECT "given_id" AS call, "given_owner" AS owner, id, kind, amount, allowed, "endsAt" AS ends_at
        FROM given, ${REQUESTED_QUOTAS}),
      ${limits.request.many},
      made AS (
        ${insertInto} SELECT ${asBatchColumns(inserted.values, types)} FROM given
        WHERE "given_id" NOT IN (SELECT call FROM exhausted)
          AND "given_id" NOT IN (SELECT call FROM wanted WHERE amount > 0 AND id NOT IN (SELECT id FROM consumed))
        ORDER BY "given_id"
        RETURNING ${c.id} AS id)${alsoDo}
      SELECT "given_id" AS "key", true AS "touched", "given_id" IN (SELECT id FROM made) AS "isMade",
        CASE WHEN "given_id" IN (SELECT id FROM made) OR "given_id" IN (SELECT call FROM exhausted) THEN NULL ELSE
          (SELECT string_agg(id, ',') FROM wanted
           WHERE call = "given_id" AND amount > 0 AND id IN (SELECT id FROM consumed)) END AS "consumedWithoutEffect",
        CASE WHEN "given_id" IN (SELECT call FROM exhausted) THEN
          (SELECT ${USAGES} FROM exhausted WHERE call = "given_id") END AS "exhausted"
      FROM given`;

  return {
    one: {
      create: compile(create('')),
      createOnce: compile(createOnce('')),
      verify: compile(`
        WITH given AS MATERIALIZED (${batchRowSql(tried)}),
        ${find('')},
        wanted AS MATERIALIZED (SELECT "isRight" AS is_right, key FROM found, ${FAILURE_KEYS}),
        ${limits.failures.one},
        going AS MATERIALIZED (
          SELECT ${triedColumns.join(', ')}, "slotKeys" FROM found WHERE "isOpen" AND ${RING} AND CASE
            WHEN EXISTS (SELECT 1 FROM exhausted) THEN false
            WHEN (SELECT count(*) FROM consumed) = (SELECT count(*) FROM wanted) THEN true
            ELSE ${ROLL_BACK_SELF} END),
        ${compare}
        SELECT 'compared' AS "outcome", ${read},
          (SELECT ${USAGES} FROM consumed WHERE ends_at > CAST(:now AS bigint)) AS "usages" FROM compared
        UNION ALL SELECT 'ended', ${read}, NULL FROM found WHERE NOT "isOpen"
        UNION ALL SELECT 'stale', ${read}, NULL FROM found WHERE ${isStale}
        UNION ALL SELECT 'locked', ${read}, (SELECT ${USAGES} FROM exhausted) FROM found
          WHERE EXISTS (SELECT 1 FROM exhausted)
        UNION ALL SELECT 'unknown', ${nulls}, NULL FROM given WHERE NOT EXISTS (SELECT 1 FROM found)`),
    },
    many: {
      create: compile(createMany(made, '')),
      verify: compile(`
        WITH given AS MATERIALIZED (${batchRowsSql(tried)}),
        ${find('SKIP LOCKED')},
        wanted AS MATERIALIZED (
          SELECT "given_id" AS call, "isRight" AS is_right, key FROM found, ${FAILURE_KEYS}),
        ${limits.failures.many},
        going AS MATERIALIZED (
          SELECT ${triedColumns.join(', ')}, "slotKeys" FROM found WHERE "isOpen" AND ${RING} AND CASE
            WHEN "given_id" IN (SELECT call FROM exhausted) OR "given_id" IN (SELECT call FROM left_out) THEN false
            WHEN "given_id" NOT IN (SELECT call FROM wanted WHERE key NOT IN (SELECT id FROM consumed)) THEN true
            ELSE ${ROLL_BACK_SELF} END),
        ${compare},
        locks AS MATERIALIZED (
          SELECT call, ${USAGES} AS locks FROM consumed JOIN wanted ON key = id WHERE ends_at > CAST(:now AS bigint) GROUP BY call)
        SELECT "given_id" AS "key", true AS "touched", 'compared' AS "outcome", ${read}, locks AS "usages"
        FROM compared LEFT JOIN locks ON call = "given_id"
        UNION ALL SELECT "given_id", true, 'ended', ${read}, NULL FROM found WHERE NOT "isOpen"
        UNION ALL SELECT "given_id", true, 'stale', ${read}, NULL FROM found WHERE ${isStale}
        UNION ALL SELECT "given_id", true, 'locked', ${read},
            (SELECT ${USAGES} FROM exhausted WHERE call = "given_id") FROM found
          WHERE "given_id" IN (SELECT call FROM exhausted)
        UNION ALL SELECT "given_id", true, 'unknown', ${nulls}, NULL FROM given
          WHERE "given_id" NOT IN (SELECT "given_id" FROM found)
            AND "given_id" NOT IN (SELECT "given_id" FROM given JOIN ${accessible})`),
    },
    queued: queue && {
      one: { create: compile(create(queued)), createOnce: compile(createOnce(queuedOnce)) },
      many: { create: compile(createMany({ ...made, ...QUEUED }, queuedMany)) },
    },
  };
}

/** The expressions that insert the row of a queued message for each confirmation that was made. */
function queuedExpressions(
  queue: QueueClauses | null,
): Readonly<Record<'queued' | 'queuedOnce' | 'queuedMany', string>> {
  if (queue === null) return { queued: '', queuedOnce: '', queuedMany: '' };
  const { insertInto, first, orReplace } = queue;
  const types = { ...INSERTED_TYPES, ...QUEUED };
  const one = `${insertInto} SELECT ${casts(first, types)} FROM made`;
  const many = `${insertInto} SELECT ${asBatchColumns(first, types)} FROM given JOIN made ON made.id = "given_id"`;
  return {
    queued: `, queued AS (${one})`,
    queuedOnce: `, queued AS (${one} ${orReplace})`,
    queuedMany: `, queued AS (${many})`,
  };
}

/** The values of one call, in the columns that `batchRowsSql` gives those of a batch. */
function batchRowSql(types: BatchColumnTypes): string {
  const columns = Object.entries(types).map(
    ([name, type]) => `CAST(:${name} AS ${type}) AS "given_${name}"`,
  );
  return `SELECT ${columns.join(', ')}`;
}

/** Values of an INSERT ... SELECT, for which PostgreSQL does not take the types from the columns. */
function casts(values: string, types: BatchColumnTypes): string {
  return values.replace(/:(\w+)/g, (_, name: string) => `CAST(:${name} AS ${types[name]})`);
}

/** The id of the signing secret first. */
function keyOrder(id: string, keys: number): string {
  const ranks = Array.from({ length: keys }, (_, index) => `WHEN :keyId${index} THEN ${index}`);
  return `CASE ${id} ${ranks.join(' ')} END`;
}
