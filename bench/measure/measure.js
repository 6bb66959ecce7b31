import { serverCpuMs } from './process-cpu.js';

/** Where the log is, and how many transactions have written: without the delay of the statistics views. */
const POSITION = `
  SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS bytes, pg_snapshot_xmax(pg_current_snapshot())::text AS transactions`;

/**
 * What a contender did in some seconds, and what each cycle cost it and its server.
 *
 * @param {import('../process/contestant.js').Contestant} contestant
 * @param {object} postgres
 * @param {object} amount as `load` takes it
 */
export async function measure(contestant, postgres, amount) {
  const before = await snapshot(contestant, postgres);
  const result = await contestant.load(amount);
  const after = await snapshot(contestant, postgres);
  const each = (name) =>
    after[name] === null ? null : (after[name] - before[name]) / result.cycles;
  const nodeCpuMs = each('nodeCpuMs');
  const serverCpuMs = each('serverCpuMs');
  return {
    ...result,
    statements: each('statements'),
    commits: each('transactions'),
    walBytes: each('walBytes'),
    nodeCpuMs,
    serverCpuMs,
    cpuMs: serverCpuMs === null ? null : nodeCpuMs + serverCpuMs,
    rssMb: after.rss / 2 ** 20,
  };
}

async function snapshot({ serverPid, usage }, postgres) {
  const isElsewhere = serverPid !== postgres.pid;
  const [{ bytes, transactions }] = await postgres.query(POSITION);
  const { cpuMs, statements, rss } = await usage();
  return {
    walBytes: isElsewhere ? null : Number(bytes),
    transactions: isElsewhere ? null : Number(transactions),
    serverCpuMs: serverCpuMs(serverPid),
    nodeCpuMs: cpuMs,
    statements,
    rss,
  };
}

/** Of all updates, the share that touched no index. Told when the contender has left: only then everything is counted. */
export async function hotShare(postgres, database) {
  const [{ all, hot }] = await postgres.queryIn(
    database,
    'SELECT sum(n_tup_upd)::float8 AS all, sum(n_tup_hot_upd)::float8 AS hot FROM pg_stat_user_tables',
  );
  return all > 0 ? hot / all : null;
}
