import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';

/** The families of SQL for which the stores have statements. */
export type Engine = 'postgres' | 'mysql' | 'sqlite';

const ENGINES: Readonly<Record<string, Engine>> = {
  postgres: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  'better-sqlite3': 'sqlite',
  sqljs: 'sqlite',
};

/** @throws TwoFactorConfigurationError for an engine on which the guarantees of this package were never tested. */
export function engineOf(dataSource: DataSource): Engine {
  const engine = ENGINES[dataSource.options.type];
  if (engine === undefined) {
    throw new TwoFactorConfigurationError(
      `The data source is of type ${dataSource.options.type}. Use one of ${Object.keys(ENGINES).join(', ')}.`,
    );
  }
  return engine;
}
