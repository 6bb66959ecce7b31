import {
  Table,
  TableIndex,
  type ColumnType,
  type EntityTarget,
  type ObjectLiteral,
  type QueryRunner,
  type TableColumnOptions,
} from 'typeorm';

import { assertEntity, dataSourceOf, engineOf } from '../database/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';

/**
 * The percentage of each PostgreSQL page that inserts may fill. The rest has room for a second version of each row, so that a
 * batch of updates stays in its pages and does not write to the index (HOT).
 */
const FILL_FACTOR = 50;

/**
 * The columns by property, with their names as the entity had them when the migration was released. The entity changes later: names that
 * were read from it would change the table of a released migration, and a new property would not compile in it. The naming strategy of
 * the data source makes the names of the table from these, as TypeORM does from those of the entity.
 */
export type ColumnDefinitions = Readonly<Record<string, TableColumnOptions>>;

/** An index by the properties of its columns. The naming strategy of the data source determines its name. */
export interface IndexDefinition {
  readonly properties: readonly string[];
  readonly isUnique: boolean;
}

/**
 * Creates the table of an entity with the columns of a migration, under the names of this data source. Instances that start
 * together run the same migration at the same time, and MariaDB commits a table before the migration is recorded: a table that
 * is there with all columns is taken as the work of another one. Its indexes may be missing, because PostgreSQL creates them by
 * statements of their own.
 */
export async function createTable<Entity extends ObjectLiteral>(
  queryRunner: QueryRunner,
  entity: { readonly name: string } & EntityTarget<Entity>,
  columns: ColumnDefinitions,
  indices: readonly IndexDefinition[] = [],
): Promise<void> {
  const dataSource = dataSourceOf(queryRunner);
  assertEntity(dataSource, entity);
  const { tablePath } = dataSource.getMetadata(entity);
  const columnName = (property: string): string =>
    dataSource.namingStrategy.columnName(property, columns[property]!.name, []);
  const wanted = indices.map(
    ({ properties, isUnique }) =>
      new TableIndex({ columnNames: properties.map(columnName), isUnique }),
  );
  const unlock = await lockMigrations(queryRunner);
  try {
    const relation = await relationOf(queryRunner, tablePath);
    if (relation !== null) assertTable(relation);
    const existing = await queryRunner.getTable(tablePath);
    if (existing !== undefined) {
      assertColumns(existing, Object.keys(columns).map(columnName));
      await queryRunner.createIndices(existing, missingIndices(existing, wanted));
      return;
    }
    // Another instance has created the table while this one waited for its lock: a transaction of PostgreSQL that is `repeatable read`
    // or stricter lists the tables as they were before the wait. Tables of other users are not listed either.
    if (relation !== null) {
      assertGranted(relation);
      return;
    }
    await queryRunner.createTable(
      new Table({
        name: tablePath,
        columns: Object.entries(columns).map(([property, column]) => ({
          ...column,
          // `int` is `integer` on PostgreSQL and SQLite.
          type: dataSource.driver.normalizeType({ type: column.type as ColumnType }),
          name: columnName(property),
        })),
        indices: wanted,
      }),
    );
    if (engineOf(dataSource) === 'postgres') {
      const table = escapedPath(queryRunner, tablePath);
      await queryRunner.query(`ALTER TABLE ${table} SET (fillfactor = ${FILL_FACTOR})`);
    }
  } finally {
    await unlock();
  }
}

function escapedPath(queryRunner: QueryRunner, tablePath: string): string {
  const { driver } = dataSourceOf(queryRunner);
  return tablePath
    .split('.')
    .map((name) => driver.escape(name))
    .join('.');
}

/** What PostgreSQL has under the name of a table. */
interface Relation {
  readonly name: string;
  readonly type: string;
  readonly isGranted: boolean;
}

/**
 * All of these functions look into the catalogue as it is now, as CREATE TABLE does, and not as the snapshot of the transaction has it.
 * The name has its schema: without one, a table of that name in any schema of the search path would be found, though CREATE TABLE
 * makes a second one in the first schema.
 */
const RELATION = `
  SELECT identified.identity AS name, identified.type AS type,
    has_table_privilege(found.id, 'SELECT') AND has_table_privilege(found.id, 'INSERT') AND
    has_table_privilege(found.id, 'UPDATE') AND has_table_privilege(found.id, 'DELETE') AS "isGranted"
  FROM (
    SELECT CAST(to_regclass(
      quote_ident(coalesce(CAST($1 AS text), current_schema())) || '.' || quote_ident(CAST($2 AS text))
    ) AS oid) AS id
  ) found
  CROSS JOIN LATERAL pg_identify_object(CAST('pg_catalog.pg_class' AS regclass), found.id, 0) identified
  WHERE found.id IS NOT NULL`;

/** The relation of PostgreSQL that has the name of the table; `null` where there is none, and on other engines. */
async function relationOf(queryRunner: QueryRunner, tablePath: string): Promise<Relation | null> {
  const dataSource = dataSourceOf(queryRunner);
  if (engineOf(dataSource) !== 'postgres') return null;
  const { schema, tableName } = dataSource.driver.parseTableName(tablePath);
  const rows: Relation[] = await queryRunner.query(RELATION, [schema ?? null, tableName]);
  return rows[0] ?? null;
}

const OTHER_NAME = 'set an entityPrefix or a schema for the tables of this package.';

/** CREATE TABLE fails for each other kind of relation, and a view with the right columns may refuse what is written. */
function assertTable({ name, type }: Relation): void {
  if (type === 'table') return;
  throw new TwoFactorConfigurationError(
    `There is a ${type} ${name} where a table of this package belongs: rename or drop it, or ${OTHER_NAME}`,
  );
}

function assertGranted({ name, isGranted }: Relation): void {
  if (isGranted) return;
  throw new TwoFactorConfigurationError(
    `There is a table ${name} already, which the user of the data source may not read and write: grant SELECT, INSERT, UPDATE and ` +
      `DELETE on it, rename or drop it, or ${OTHER_NAME}`,
  );
}

function assertColumns({ name, columns }: Table, expected: readonly string[]): void {
  const found = new Set(columns.map((column) => column.name));
  const missing = expected.filter((column) => !found.has(column));
  if (missing.length === 0) return;
  throw new TwoFactorConfigurationError(
    `There is a table ${name} already, and it lacks the columns ${missing.join(', ')}: rename or drop it, or ` +
      OTHER_NAME,
  );
}

function missingIndices({ indices }: Table, wanted: readonly TableIndex[]): TableIndex[] {
  const nameOf = ({ columnNames, isUnique }: TableIndex): string =>
    `${columnNames.join()} ${isUnique}`;
  const found = new Set(indices.map(nameOf));
  return wanted.filter((index) => !found.has(nameOf(index)));
}

const LOCK = { number: 3_486_093_527, name: 'two_factor_migrations', seconds: 60 } as const;

/**
 * Waits for migrations of other instances. On PostgreSQL inside a transaction until its commit: before it, the table of
 * another transaction cannot be seen, and a second one cannot be created.
 *
 * @returns what releases the lock.
 */
async function lockMigrations(queryRunner: QueryRunner): Promise<() => Promise<unknown>> {
  const engine = engineOf(dataSourceOf(queryRunner));
  if (engine === 'mysql') {
    const rows: { isLocked: number | string | null }[] = await queryRunner.query(
      `SELECT GET_LOCK('${LOCK.name}', ${LOCK.seconds}) AS isLocked`,
    );
    if (Number(rows[0]?.isLocked) !== 1) throw lockedError();
    // MySQL reads the list of tables by the snapshot of the transaction, in which a table that was made during the wait is
    // not there. Nothing is given up by it: each CREATE TABLE commits as well.
    await queryRunner.query('COMMIT');
    return () => queryRunner.query(`SELECT RELEASE_LOCK('${LOCK.name}')`);
  }
  if (engine === 'postgres' && queryRunner.isTransactionActive) {
    await queryRunner.query(`SELECT pg_advisory_xact_lock(${LOCK.number})`);
  } else if (engine === 'postgres') {
    await queryRunner.query(`SELECT pg_advisory_lock(${LOCK.number})`);
    return () => queryRunner.query(`SELECT pg_advisory_unlock(${LOCK.number})`);
  }
  return () => Promise.resolve();
}

function lockedError(): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    `The lock ${LOCK.name} was not free within ${LOCK.seconds} seconds: start again when the other migrations have ended, or end the ` +
      `connection that SELECT IS_USED_LOCK('${LOCK.name}') names.`,
  );
}

export async function dropTable<Entity extends ObjectLiteral>(
  queryRunner: QueryRunner,
  entity: EntityTarget<Entity>,
): Promise<void> {
  await queryRunner.dropTable(dataSourceOf(queryRunner).getMetadata(entity).tablePath);
}
