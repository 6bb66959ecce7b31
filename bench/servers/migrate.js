import 'reflect-metadata';
import { TWO_FACTOR_ENTITIES, twoFactorMigrations } from 'nestjs-two-factor';
import { DataSource } from 'typeorm';

/** The name of a database with the package's tables, to be copied. */
export const MIGRATED = 'migrated';

export async function createMigrated(postgres) {
  await postgres.create(MIGRATED);
  const dataSource = new DataSource({
    type: 'postgres',
    url: postgres.url(MIGRATED),
    entities: [...TWO_FACTOR_ENTITIES],
    migrations: [...twoFactorMigrations],
  });
  await dataSource.initialize();
  await dataSource.runMigrations();
  await dataSource.destroy();
}
