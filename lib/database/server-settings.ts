import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { engineOf } from './engine.js';

/**
 * Refuses settings of MySQL under which a parameter could inject SQL, or nothing would be committed. TypeORM escapes
 * parameters with backslashes, and with NO_BACKSLASH_ESCAPES the server reads these as data.
 *
 * @throws TwoFactorConfigurationError
 */
export async function assertServerSettings(dataSource: DataSource): Promise<void> {
  if (engineOf(dataSource) !== 'mysql') return;
  const rows: { modes: string; autocommit: number | string }[] = await dataSource.query(
    'SELECT @@sql_mode AS modes, @@autocommit AS autocommit',
  );
  const { modes = '', autocommit = 1 } = rows[0] ?? {};
  if (modes.split(',').includes('NO_BACKSLASH_ESCAPES')) {
    throw new TwoFactorConfigurationError(
      'The sql_mode of the database has NO_BACKSLASH_ESCAPES, which makes every parameter a way to inject SQL. Remove it.',
    );
  }
  if (Number(autocommit) !== 1) {
    throw new TwoFactorConfigurationError(
      'The connections of the data source begin with autocommit = 0, so that nothing is ever committed. Set it to 1.',
    );
  }
}

/**
 * Limits in the database need `INSERT ... RETURNING`.
 *
 * @throws TwoFactorConfigurationError for MySQL, and for MariaDB before 10.5.
 */
export async function assertReturning(dataSource: DataSource): Promise<void> {
  if (engineOf(dataSource) !== 'mysql') return;
  const rows: { version: string }[] = await dataSource.query('SELECT VERSION() AS version');
  const [, major = 0, minor = 0] = /^(\d+)\.(\d+)\..*MariaDB/i.exec(rows[0]?.version ?? '') ?? [];
  if (Number(major) * 100 + Number(minor) >= 1005) return;
  throw new TwoFactorConfigurationError(
    'Limits in the database need MariaDB 10.5 or later, which this server is not. Keep them elsewhere (the extra ' +
      'limitStore), or switch them off (limits: false) and put a rate limiter before this module.',
  );
}
