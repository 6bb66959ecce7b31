import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

/** The data source of a manager or a runner: `dataSource` since TypeORM 1.0, `connection` before. */
export function dataSourceOf(owner: EntityManager | QueryRunner): DataSource {
  return owner.dataSource ?? owner.connection;
}
