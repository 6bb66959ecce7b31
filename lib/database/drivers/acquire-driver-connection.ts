import type { DataSource } from 'typeorm';

import type { Engine } from '../engine.js';
import type { ConnectionLease } from './connection-lease.js';
import { MysqlConnection, type MysqlClient } from './mysql-connection.js';
import { PgConnection, type ObtainedPg } from './pg-connection.js';

/** What is used of TypeORM's drivers for servers. */
interface PooledDriver {
  obtainMasterConnection(): Promise<unknown>;
}

/**
 * A connection out of TypeORM's pool whose statements are prepared ones, of which nobody is told: a query runner for each,
 * with its entity manager and its broadcaster, is a tenth of what a statement costs.
 */
export async function acquireDriverConnection(
  { driver }: DataSource,
  engine: Exclude<Engine, 'sqlite'>,
): Promise<ConnectionLease> {
  // `master`: a replica may not have the row yet, and decides nothing.
  const obtained = await (driver as unknown as PooledDriver).obtainMasterConnection();
  return engine === 'postgres'
    ? new PgConnection(obtained as ObtainedPg)
    : new MysqlConnection(obtained as MysqlClient);
}
