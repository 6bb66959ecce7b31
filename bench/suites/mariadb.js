import { MARIADB } from '../contenders/mariadb.js';
import { rounds } from '../measure/rounds.js';
import { Child } from '../process/child.js';
import { startContestant } from '../process/contestant.js';
import { ON_MARIADB } from '../report/columns.js';
import { Contest, contestTables } from '../report/contest.js';
import { startMariadb } from '../servers/mariadb.js';
import { createMigrated } from '../servers/migrate.js';
import { chosen } from './chosen.js';
import { profileOf } from './profile.js';

/** What prepared statements are worth on MariaDB, and how far it is from the floor. Its server is there for this part alone. */
export async function run(bench) {
  const mariadb = await startMariadb(bench.folder);
  if (mariadb === null) return { title: 'MariaDB', text: 'Absent: there is no `mariadbd` here.' };
  return runOn('MariaDB', mariadb, bench);
}

/** The contest on a server of MariaDB or MySQL, which it stops at the end. */
export async function runOn(name, server, bench) {
  try {
    await createMigrated(server);
    return { title: `${name} ${server.version}`, ...(await contestOn(server, bench)) };
  } finally {
    // Those of a round that failed still hold connections.
    await Child.stopAll();
    await server.stop();
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
  const tables = contestTables(contest, entries, sizes.mariadbCallers, 'caller', ON_MARIADB);
  const profiled = entries.find(({ id }) => id === 'ours-prepared-limits');
  if (profiled === undefined) return { text: tables, contest };
  const start = () => startContestant(profiled, servers);
  const profile = await profileOf(profiled, '16 callers', 16, sizes, start);
  return { text: [tables, ...profile].join('\n\n'), contest };
}
