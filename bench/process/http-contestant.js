import { MIGRATED } from '../servers/migrate.js';
import { Child } from './child.js';

const SERVER = new URL('../http/server.js', import.meta.url);
const CLIENT = new URL('../http/client.js', import.meta.url);

export function startHttpClient() {
  return Child.start(CLIENT);
}

/**
 * A server in a process of its own; its load comes from another process, the client, whose use of the machine is counted
 * for no contender and is the same for all.
 *
 * @returns {Promise<import('./contestant.js').Contestant & { child: Child }>}
 */
export async function startHttpContestant(entry, { postgres }, client) {
  const database = `bench_http_${entry.id.replaceAll('-', '_')}`;
  await postgres.create(database, entry.isOnOurTable ? MIGRATED : undefined);
  const child = Child.start(SERVER);
  try {
    const port = await child.call('listen', entry.file, {
      url: postgres.url(database),
      ...entry.options,
    });
    return {
      child,
      database,
      serverPid: postgres.pid,
      load: (amount) => client.call('load', { port, api: entry.api, ...amount }),
      usage: () => child.call('usage'),
      stop: async () => {
        await client.call('forget', port);
        await child.stop();
      },
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
