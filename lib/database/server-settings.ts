import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { Capabilities } from './capabilities.js';
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
  if (await isBinlogStatementBased(dataSource)) {
    Capabilities.forDataSource(dataSource).disable(
      'batching',
      'The binary log of the database has statements (binlog_format = STATEMENT). A replica would execute batched statements for rows ' +
        'that were locked here, so that nothing is batched. Set binlog_format to ROW or MIXED.',
    );
  }
}

/** Whether replicas execute the statements themselves: they skip other rows than the statement did here. */
async function isBinlogStatementBased(dataSource: DataSource): Promise<boolean> {
  const rows: { Variable_name: string; Value: string }[] = await dataSource.query(
    "SHOW VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')",
  );
  const valueOf = (name: string): string | undefined =>
    rows.find((row) => row.Variable_name === name)?.Value;
  return valueOf('log_bin') === 'ON' && valueOf('binlog_format') === 'STATEMENT';
}
