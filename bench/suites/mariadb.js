import { MARIADB } from '../contenders/mariadb.js';
import { rounds } from '../measure/rounds.js';
import { Child } from '../process/child.js';
import { startContestant } from '../process/contestant.js';
import { ON_MARIADB } from '../report/columns.js';
import { Contest, contestTables } from '../report/contest.js';
import { startMariadb } from '../servers/mariadb.js';
import { createMigrated } from '../servers/migrate.js';
import { chosen } from './chosen.js';

/** What prepared statements are worth on MariaDB. Its server is there for this part alone. */
export async function run(bench) {
  const mariadb = await startMariadb(bench.folder);
  if (mariadb === null) return { title: 'MariaDB', text: 'Absent: there is no `mariadbd` here.' };
  try {
    await createMigrated(mariadb);
    return { title: `MariaDB ${mariadb.version}`, ...(await contestOn(mariadb, bench)) };
  } finally {
    // Those of a round that failed still hold connections.
    await Child.stopAll();
    await mariadb.stop();
  }
}

async function contestOn(mariadb, bench) {
  const { sizes } = bench;
  const servers = { ...bench.servers, mariadb };
  const entries = chosen(MARIADB, bench);
  const contest = new Contest(
    await rounds({
      entries,
      levels: sizes.mariadbCallers,
      sizes,
      postgres: servers.postgres,
      start: (entry) => startContestant(entry, servers),
    }),
  );
  const text = contestTables(contest, entries, sizes.mariadbCallers, 'caller', ON_MARIADB);
  return { text, contest };
}
