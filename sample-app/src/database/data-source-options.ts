import { join } from 'node:path';

import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import { twoFactorMigrations } from 'nestjs-two-factor';

import type { Settings } from '../settings.js';
import { CreateBank1764000000000 } from './1764000000000-create-bank.js';
import { WatchFactors1764100000000 } from './1764100000000-watch-factors.js';
import { CountCodes1764200000000 } from './1764200000000-count-codes.js';
import { RememberCountedCodes1764300000000 } from './1764300000000-remember-counted-codes.js';
import { SqliteFile } from './sqlite-file.js';

/** PostgreSQL or MariaDB when there is a `DATABASE_URL`, else a file. */
export function dataSourceOptions({ databaseUrl, dataFolder }: Settings): TypeOrmModuleOptions {
  const shared = {
    autoLoadEntities: true,
    migrations: [
      ...twoFactorMigrations,
      CreateBank1764000000000,
      WatchFactors1764100000000,
      CountCodes1764200000000,
      RememberCountedCodes1764300000000,
    ],
    migrationsRun: true,
    retryAttempts: 3,
  };
  if (databaseUrl !== undefined) return { ...shared, type: typeOf(databaseUrl), url: databaseUrl };
  const file = new SqliteFile(join(dataFolder, 'bank.sqlite'));
  const database = file.read();
  return {
    ...shared,
    type: 'sqljs',
    ...(database && { database }),
    autoSave: true,
    autoSaveCallback: file.write,
  };
}

function typeOf(url: string): 'postgres' | 'mariadb' {
  switch (/^\w+:/.exec(url)?.[0]) {
    case 'postgres:':
    case 'postgresql:':
      return 'postgres';
    case 'mysql:':
    case 'mariadb:':
      return 'mariadb';
    default:
      throw new Error('DATABASE_URL does not begin with postgres:// or mysql://. Change it.');
  }
}
