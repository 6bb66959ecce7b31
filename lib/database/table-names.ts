import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';

import { copiesHint, TwoFactorConfigurationError } from '../errors/index.js';

/** The names of an entity's table and columns in this database, escaped. */
export interface TableNames<Property extends string> {
  readonly table: string;
  /** Escaped column names by property. */
  readonly column: Readonly<Record<Property, string>>;
  /** Escaped property names of the columns that are read: the names in the result of a statement. */
  readonly alias: Readonly<Record<Property, string>>;
  /** `"code_mac" AS "codeMac", ...`: the select list of all columns that are read. */
  readonly columns: string;
}

/**
 * Reads the names from the metadata of the entity, so that naming strategy, schema and prefix of the application apply.
 *
 * @param writeOnly columns that no statement returns.
 */
export function tableNames<Entity extends ObjectLiteral>(
  dataSource: DataSource,
  entity: EntityTarget<Entity>,
  writeOnly: readonly (keyof Entity & string)[] = [],
): TableNames<keyof Entity & string> {
  const metadata = dataSource.getMetadata(entity);
  const escape = (name: string): string => dataSource.driver.escape(name);
  const names = metadata.columns.map(
    (column) => [column.propertyName, escape(column.databaseName)] as const,
  );
  const read = names.filter(([property]) => !writeOnly.includes(property));
  return {
    table: metadata.tablePath.split('.').map(escape).join('.'),
    column: Object.fromEntries(names) as Record<keyof Entity & string, string>,
    alias: Object.fromEntries(read.map(([property]) => [property, escape(property)])) as Record<
      keyof Entity & string,
      string
    >,
    columns: read.map(([property, name]) => `${name} AS ${escape(property)}`).join(', '),
  };
}

/** @throws TwoFactorConfigurationError when the data source does not have the entity, or is not connected. */
export function assertEntity(
  dataSource: DataSource,
  entity: { readonly name: string } & EntityTarget<ObjectLiteral>,
): void {
  if (dataSource.hasMetadata(entity)) return;
  // It has no metadata before it is initialized, so that the advice below would not help.
  if (!dataSource.isInitialized) {
    throw new TwoFactorConfigurationError(
      'The data source is not initialized when the application starts: leave manualInitialization out of TypeOrmModule, or ' +
        'give it a dataSourceFactory that initializes the data source.',
    );
  }
  throw new TwoFactorConfigurationError(
    `The data source does not know the entity ${entity.name}: add ...TWO_FACTOR_ENTITIES to its entities, or set ` +
      `autoLoadEntities: true.${copiesHint()}`,
  );
}
