import { expect } from 'vitest';

import type { TestApp } from './test-app.js';

/** How many sessions of the database wait for a lock that another session holds. */
async function waitingSessions({ dataSource, database }: TestApp): Promise<number> {
  const [row]: { count: string }[] = await dataSource.query(
    database.engine === 'postgres'
      ? "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
      : `SELECT count(*) AS count FROM information_schema.innodb_trx
         JOIN information_schema.processlist ON processlist.id = innodb_trx.trx_mysql_thread_id
         WHERE innodb_trx.trx_state = 'LOCK WAIT' AND processlist.db = DATABASE()`,
  );
  return Number(row?.count);
}

// MySQL answers from a copy that it renews only when no session has read it for a tenth of a second.
const PATIENTLY = { timeout: 60_000, interval: 250 };

/** Waits until as many other sessions, one by default, wait for a lock. */
export async function waitForLock(test: TestApp, sessions = 1): Promise<void> {
  await expect.poll(() => waitingSessions(test), PATIENTLY).toBeGreaterThanOrEqual(sessions);
}

/** Waits until no session waits for a lock. */
export async function waitForNoLock(test: TestApp): Promise<void> {
  await expect.poll(() => waitingSessions(test), PATIENTLY).toBe(0);
}

/** Waits until the work has ended or waits for a lock. */
export async function waitForEndOrLock(test: TestApp, work: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  const end = (): void => {
    hasEnded = true;
  };
  work.then(end, end);
  await expect
    .poll(async () => hasEnded || (await waitingSessions(test)) > 0, PATIENTLY)
    .toBe(true);
}
