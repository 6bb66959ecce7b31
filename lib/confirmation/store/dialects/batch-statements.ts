import {
  batchRowsSql,
  asBatchColumns,
  type BatchColumnTypes,
  Statement,
} from '../../../database/index.js';
import type { StatementContext } from './confirmation-dialect.js';
import type { NewConfirmation } from '../row-mapping.js';
import { queueClauses, QUEUED } from './queue-clauses.js';
import {
  confirmationClauses,
  foundColumns,
  type BatchName,
  type UpdateClauses,
} from './statements.js';

/** The statements of a batch. None of them ever waits for a row that another transaction has locked. */
export type BatchStatements = Readonly<Record<BatchName, BatchStatement>> & {
  /** The same as `insert`, with the rows of the messages in the queue; absent where messages are not queued. */
  readonly insertQueued?: BatchStatement;
};

interface BatchStatement {
  /** For all calls of the batch. */
  readonly many: Statement;
  /** For one call of a small batch, which the server executes faster. A read has none: it would wait for a commit. */
  readonly one?: Statement;
  /** For calls without a row in the others: it also returns a row for each call that is known to have nothing to do. */
  readonly rest?: Statement;
}

/** The values of a new confirmation and their SQL types. */
export const INSERTED_TYPES = {
  id: 'varchar',
  purpose: 'varchar',
  subject: 'varchar',
  details: 'text',
  detailsMac: 'varchar',
  meta: 'text',
  maxAttempts: 'int',
  createdAt: 'bigint',
  expiresAt: 'bigint',
  way: 'varchar',
  methods: 'varchar',
  codeMac: 'varchar',
  envelope: 'text',
  failureKeys: 'text',
  slotKeys: 'text',
  sends: 'int',
  lastSentAt: 'bigint',
  confirmedAt: 'bigint',
  confirmedBy: 'varchar',
  useBefore: 'bigint',
} as const satisfies BatchColumnTypes & Record<keyof NewConfirmation, string>;

/**
 * The statements of batches, each with the guards of the statement for one call. They exist for PostgreSQL only; `null` for
 * other engines. They skip rows that another transaction has locked: waiting for one of them would delay all calls of the
 * batch, and two batches could deadlock. A skipped call runs on its own, and waits.
 */
export function batchStatements(terms: StatementContext): BatchStatements | null {
  const { engine, names, keys, queue } = terms;
  // MariaDB's UPDATE returns no rows, and SQLite has no network round trip to save.
  if (engine !== 'postgres') return null;
  const { table, column: c, columns, alias } = names;
  const { inserted, confirm, use, useByAllowedSender } = confirmationClauses(terms);
  const statement = (text: string): Statement => new Statement(engine, text);

  const touched = (id: string): string => `${id} AS "key", true AS "touched"`;
  const updateOne = ({ set, where }: UpdateClauses, returned: readonly string[]): Statement =>
    statement(`
      UPDATE ${table} SET ${set} FROM (
        SELECT stored.${c.id} AS "key" FROM ${table} AS stored WHERE stored.${c.id} = :id
        FOR NO KEY UPDATE SKIP LOCKED) AS locked
      WHERE ${where} AND ${c.id} = "key"
      RETURNING ${[touched(c.id), ...returned].join(', ')}`);
  const locked = (types: BatchColumnTypes): string => `
    WITH given AS MATERIALIZED (${batchRowsSql(types)}),
    locked AS MATERIALIZED (
      SELECT given.* FROM given JOIN ${table} AS stored ON stored.${c.id} = "given_id"
      FOR NO KEY UPDATE OF stored SKIP LOCKED)`;
  const update = (
    { set, where }: UpdateClauses,
    types: BatchColumnTypes,
    returned: readonly string[],
  ): string => `
    UPDATE ${table} SET ${asBatchColumns(set, types)} FROM locked WHERE ${asBatchColumns(where, types)}
    RETURNING ${[touched('"given_id"'), ...returned].join(', ')}`;
  /**
   * Of those that were locked by us, or are not there at all, it is known that nothing was to be done. A NOT EXISTS would
   * read all of the table, if the plan was made when that was small.
   */
  const nothing = (nulls: readonly string[]): string => `
    SELECT ${['"given_id"', 'false', ...nulls].join(', ')} FROM given
    WHERE "given_id" NOT IN (SELECT "key" FROM updated) AND ("given_id" IN (SELECT "given_id" FROM locked)
      OR "given_id" NOT IN (SELECT "given_id" FROM given JOIN ${table} AS stored ON stored.${c.id} = "given_id"))`;
  const updates = (
    clause: UpdateClauses,
    types: BatchColumnTypes,
    returned: readonly string[] = [],
    nulls: readonly string[] = [],
  ): BatchStatement => {
    const updated = update(clause, types, returned);
    return {
      one: updateOne(clause, returned),
      // Ends with the UPDATE itself. A SELECT after it, as in `rest`, would make the server collect all returned rows first.
      many: statement(`${locked(types)} ${updated}`),
      rest: statement(
        `${locked(types)}, updated AS (${updated}) SELECT * FROM updated UNION ALL ${nothing(nulls)}`,
      ),
    };
  };

  const noColumns = Object.values(alias).map(() => 'NULL');
  const insertQueued = (): BatchStatement => {
    const { insertInto, first } = queueClauses(engine, queue!);
    const types = { ...INSERTED_TYPES, ...QUEUED };
    return {
      many: statement(`
        WITH given AS MATERIALIZED (${batchRowsSql(types)}),
        made AS (
          INSERT INTO ${table} (${inserted.columns}) SELECT ${asBatchColumns(inserted.values, types)} FROM given
          RETURNING ${c.id} AS id),
        queued AS (${insertInto} SELECT ${asBatchColumns(first, types)} FROM given JOIN made ON made.id = "given_id")
        SELECT ${touched('id')} FROM made`),
    };
  };
  return {
    ...(queue && { insertQueued: insertQueued() }),
    insert: {
      one: statement(`
        INSERT INTO ${table} (${inserted.columns}) VALUES (${inserted.values})
        RETURNING ${touched(c.id)}`),
      many: statement(`
        WITH given AS MATERIALIZED (${batchRowsSql(INSERTED_TYPES)})
        INSERT INTO ${table} (${inserted.columns}) SELECT ${asBatchColumns(inserted.values, INSERTED_TYPES)} FROM given
        RETURNING ${touched(c.id)}`),
    },
    find: {
      many: statement(`
        WITH given AS MATERIALIZED (${batchRowsSql({ id: 'varchar' })})
        SELECT "given_id" AS "key", stored.${c.id} IS NOT NULL AS "touched", ${foundColumns(terms)}
        FROM given LEFT JOIN ${table} AS stored ON stored.${c.id} = "given_id"`),
    },
    confirm: updates(confirm, confirmTypes(keys), [columns], noColumns),
    use: updates(use, useTypes(keys)),
    useByAllowedSender: updates(useByAllowedSender, { ...useTypes(keys), ways: 'varchar' }),
    reserve: updates(use, useTypes(keys), [columns], noColumns),
    reserveByAllowedSender: updates(
      useByAllowedSender,
      { ...useTypes(keys), ways: 'varchar' },
      [columns],
      noColumns,
    ),
  };
}

function confirmTypes(keys: number): BatchColumnTypes {
  return {
    id: 'varchar',
    now: 'bigint',
    useBefore: 'bigint',
    scopedSubject: 'varchar',
    ...candidates('codeMac', keys),
  };
}

function useTypes(keys: number): BatchColumnTypes {
  return {
    id: 'varchar',
    purpose: 'varchar',
    subject: 'varchar',
    useKey: 'varchar',
    now: 'bigint',
    ...candidates('detailsMac', keys),
  };
}

/** One for each key of the ring. */
export function candidates(name: string, keys: number): BatchColumnTypes {
  return Object.fromEntries(
    Array.from({ length: keys }, (_, index) => [`${name}${index}`, 'varchar']),
  );
}
