import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import { twoFactorMigrations } from 'nestjs-two-factor';

/** The URL of an empty database, whose scheme is the name of TypeORM's driver; without it everything is in memory. */
const { DATABASE: url } = process.env;

const common = {
  autoLoadEntities: true,
  migrations: [...twoFactorMigrations],
  migrationsRun: true,
  retryAttempts: 0,
};

export function dataSource(): TypeOrmModuleOptions {
  if (url === undefined) return { type: 'sqljs', ...common };
  return { type: new URL(url).protocol.slice(0, -1) as DriverOfServer, url, ...common };
}

type DriverOfServer = 'mariadb' | 'mysql' | 'postgres';
