import { MIGRATED } from '../servers/migrate.js';
import { Child } from './child.js';

const WORKER = new URL('../contenders/worker.js', import.meta.url);

/**
 * A contender in a process of its own, on a database of its own.
 *
 * @typedef {object} Contestant
 * @property {string} database
 * @property {number} serverPid of PostgreSQL, or whatever else it talks to
 * @property {(amount: object) => Promise<object>} load
 * @property {() => Promise<{ cpuMs: number, statements: number, rss: number }>} usage
 * @property {() => Promise<void>} stop
 */

/**
 * @param {import('../contenders/service.js').Entry} entry
 * @param {{ postgres: object, redis: object | null, mariadb?: object }} servers
 * @param {{ database?: string, execArgv?: string[] }} [how] `database`: one that is there already
 * @returns {Promise<Contestant & { child: Child }>}
 * @throws an error named Absent when it cannot take part.
 */
export async function startContestant(entry, servers, { database, execArgv } = {}) {
  const { postgres, redis, mariadb } = servers;
  const server = entry.isOnMariadb ? mariadb : postgres;
  const own = database ?? databaseOf(entry);
  if (database === undefined) {
    await server.create(own, entry.isOnOurTable ? MIGRATED : undefined);
  }
  const child = Child.start(WORKER, { execArgv });
  try {
    const urls = { url: server.url(own), redisUrl: redis?.url };
    await child.call('open', entry.file, { ...urls, ...entry.options });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    child,
    database: own,
    serverPid: entry.needsRedis ? redis.pid : server.pid,
    load: (amount) => child.call('load', amount),
    usage: () => child.call('usage'),
    stop: () => child.stop(),
  };
}

export function databaseOf({ id }) {
  return `bench_${id.replaceAll('-', '_')}`;
}
