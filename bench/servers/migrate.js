import 'reflect-metadata';
import { TWO_FACTOR_ENTITIES, twoFactorMigrations } from 'nestjs-two-factor';
import { DataSource } from 'typeorm';

/** The name of a database with the package's tables, to be copied. */
export const MIGRATED = 'migrated';

/** @param {{ type: 'postgres' | 'mariadb' }} server */
export async function createMigrated(server) {
  await server.create(MIGRATED);
  const dataSource = new DataSource({
    type: server.type,
    url: server.url(MIGRATED),
    entities: [...TWO_FACTOR_ENTITIES],
    migrations: [...twoFactorMigrations],
  });
  await dataSource.initialize();
  await dataSource.runMigrations();
  await dataSource.destroy();
}
