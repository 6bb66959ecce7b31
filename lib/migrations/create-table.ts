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
 * Room on each page for a second version of each of its rows, so that no update has to touch the index: confirmations that
 * were made together are updated together, in one statement.
 */
const FILL_FACTOR = 50;

/** Columns by property; the names are those that the data source gives them. */
export type Columns<Entity> = Readonly<
  Record<keyof Entity & string, Omit<TableColumnOptions, 'name'>>
>;

/** Creates an entity's table as a migration has written it down, under the names of this data source. */
export async function createTable<Entity extends ObjectLiteral>(
  queryRunner: QueryRunner,
  entity: { readonly name: string } & EntityTarget<Entity>,
  columns: Columns<Entity>,
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
