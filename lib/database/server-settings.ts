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
