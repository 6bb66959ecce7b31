import type { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';

import { engineOf, type Engine } from './engine.js';

/** A clock that is further away than this is not set by NTP. The cooldowns and the codes of apps are steps of 30 seconds. */
const TOLERATED_MS = 10_000;

/** Epoch milliseconds by the server's clock. Without time zones: an hour of the autumn exists twice in most of them. */
const SERVER_TIME: Readonly<Partial<Record<Engine, string>>> = {
  postgres: 'SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint) AS now',
  mysql: "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 AS now",
};

/**
 * Warns at boot when the clock of this process and that of the database differ. An instance whose clock is wrong lets codes
 * expire early or late, and refuses right codes of authenticator apps; without this warning, the cause would stay unknown. A file
 * of SQLite has no clock.
 */
export async function warnOfClockSkew(dataSource: DataSource, logger: Logger): Promise<void> {
  const sql = SERVER_TIME[engineOf(dataSource)];
  if (sql === undefined) return;
  const before = Date.now();
  // The warning is worth no failed boot: a statement that fails here fails again where it matters.
  const rows: { now: number | string }[] = await dataSource.query(sql).catch(() => []);
  const after = Date.now();
  const server = Number(rows[0]?.now ?? Number.NaN);
  const aheadMs = before > server ? before - server : Math.min(0, after - server);
  if (!(Math.abs(aheadMs) > TOLERATED_MS)) return;
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  logger.warn(
    `The clock of this process is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the clock of the database: run NTP on ` +
      'all machines, because each instance measures expiry, cooldowns and the codes of apps by its own clock.',
  );
}
