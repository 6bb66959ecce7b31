import {
  Table,
  type ColumnType,
  type EntityTarget,
  type ObjectLiteral,
  type QueryRunner,
  type TableColumnOptions,
} from 'typeorm';

import { assertEntity, dataSourceOf, engineOf } from '../database/index.js';

/**
 * The percentage of each PostgreSQL page that inserts may fill. The rest has room for a second version of each row, so that a
 * batch of updates stays in its pages and does not write to the index (HOT).
 */
const FILL_FACTOR = 50;

/** The columns by property. The naming strategy of the data source determines their names. */
export type ColumnDefinitions<Entity> = Readonly<
  Record<keyof Entity & string, Omit<TableColumnOptions, 'name'>>
>;

/** Creates the table of an entity with the columns of a migration, under the names of this data source. */
export async function createTable<Entity extends ObjectLiteral>(
  queryRunner: QueryRunner,
  entity: { readonly name: string } & EntityTarget<Entity>,
  columns: ColumnDefinitions<Entity>,
): Promise<void> {
  const dataSource = dataSourceOf(queryRunner);
  assertEntity(dataSource, entity);
  const { tablePath, columns: known } = dataSource.getMetadata(entity);
  const nameOf = new Map(known.map((column) => [column.propertyName, column.databaseName]));
  await queryRunner.createTable(
    new Table({
      name: tablePath,
      columns: Object.entries<Omit<TableColumnOptions, 'name'>>(columns).map(
        ([property, column]) => ({
          ...column,
          // `int` is `integer` on PostgreSQL and SQLite.
          type: dataSource.driver.normalizeType({ type: column.type as ColumnType }),
          name: nameOf.get(property) ?? property,
        }),
      ),
    }),
  );
  if (engineOf(dataSource) === 'postgres') {
    const table = tablePath.split('.').map((name) => dataSource.driver.escape(name));
    await queryRunner.query(`ALTER TABLE ${table.join('.')} SET (fillfactor = ${FILL_FACTOR})`);
  }
}

export async function dropTable<Entity extends ObjectLiteral>(
  queryRunner: QueryRunner,
  entity: EntityTarget<Entity>,
): Promise<void> {
  await queryRunner.dropTable(dataSourceOf(queryRunner).getMetadata(entity).tablePath);
}
