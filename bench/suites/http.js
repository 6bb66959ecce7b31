import { HTTP } from '../http/entries.js';
import { rounds } from '../measure/rounds.js';
import { startHttpClient, startHttpContestant } from '../process/http-contestant.js';
import { Contest, contestTables } from '../report/contest.js';
import { chosen } from './chosen.js';

/** Four requests a cycle, over connections that are kept alive. */
export async function run(bench) {
  const { sizes, servers } = bench;
  const entries = chosen(HTTP, bench);
  const client = startHttpClient();
  try {
    const contest = new Contest(
      await rounds({
        entries,
        levels: sizes.connections,
        sizes,
        postgres: servers.postgres,
        start: (entry) => startHttpContestant(entry, servers, client),
      }),
    );
    const text = contestTables(contest, entries, sizes.connections, 'connection');
    return { title: 'HTTP', text, contest };
  } finally {
    await client.stop();
  }
}
