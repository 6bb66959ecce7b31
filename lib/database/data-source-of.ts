import { types } from 'node:util';

import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

/** The data source of a manager or a runner: `dataSource` since TypeORM 1.0, `connection` before. */
export function dataSourceOf(owner: EntityManager | QueryRunner): DataSource {
  return owner.dataSource ?? owner.connection;
}

/**
 * The driver of a data source that may lead to another database later: a Proxy, or an object that computes its driver. `null`
 * for a plain data source, whose driver changes only when the application gives it new options.
 */
export function driverIfDatabaseMayChange(dataSource: DataSource): DataSource['driver'] | null {
  let owner: object | null = dataSource;
  while (owner !== null && !types.isProxy(owner)) {
    const property = Object.getOwnPropertyDescriptor(owner, 'driver');
    if (property !== undefined) return property.get === undefined ? null : dataSource.driver;
    owner = Object.getPrototypeOf(owner) as object | null;
  }
  return dataSource.driver;
}
