import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';

/** An entity's table and columns as they are called in this database, escaped. */
export interface TableNames<Property extends string> {
  readonly table: string;
  /** Escaped column names by property. */
  readonly column: Readonly<Record<Property, string>>;
  /** Properties as names that a statement may answer under. */
  readonly alias: Readonly<Record<Property, string>>;
  /** `"code_mac" AS "codeMac", ...`: all columns under the names of their properties. */
  readonly columns: string;
}

/** Reads the names from the entity's metadata, so that naming strategy, schema and prefix of the application hold. */
export function tableNames<Entity extends ObjectLiteral>(
  dataSource: DataSource,
  entity: EntityTarget<Entity>,
): TableNames<keyof Entity & string> {
  const metadata = dataSource.getMetadata(entity);
  const escape = (name: string): string => dataSource.driver.escape(name);
  const names = metadata.columns.map(
    (column) => [column.propertyName, escape(column.databaseName)] as const,
  );
  return {
    table: metadata.tablePath.split('.').map(escape).join('.'),
    column: Object.fromEntries(names) as Record<keyof Entity & string, string>,
    alias: Object.fromEntries(names.map(([property]) => [property, escape(property)])) as Record<
      keyof Entity & string,
      string
    >,
    columns: names.map(([property, name]) => `${name} AS ${escape(property)}`).join(', '),
  };
}

/** @throws TwoFactorConfigurationError when the data source was not told of the entity. */
export function assertEntity(
  dataSource: DataSource,
  entity: { readonly name: string } & EntityTarget<ObjectLiteral>,
): void {
  if (dataSource.hasMetadata(entity)) return;
  throw new TwoFactorConfigurationError(
    `The data source does not know the entity ${entity.name}: add ...TWO_FACTOR_ENTITIES to its entities, or set ` +
      'autoLoadEntities: true.',
  );
}
