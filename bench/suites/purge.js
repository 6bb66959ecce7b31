import { serviceEntries } from '../contenders/service.js';
import { startContestant } from '../process/contestant.js';
import { progress } from '../report/progress.js';
import { number, ratio, table } from '../report/table.js';
import { addDeadRows } from '../servers/dead-rows.js';
import { MIGRATED } from '../servers/migrate.js';

const LOADED = serviceEntries('ours', 'ours-joined');
const CALLERS = 16;
const DEAD = 'purge_dead';
const DATABASE = 'purge_now';

/** Callers in one process, while another one purges with the package's `purge()`. */
export async function run({ sizes, servers }) {
  const { postgres } = servers;
  progress(`purge: ${sizes.purgeRows} rows`);
  await postgres.create(DEAD, MIGRATED);
  await addDeadRows(postgres, DEAD, 1, sizes.purgeRows);
  const rows = [];
  const kept = {};
  for (const entry of LOADED) {
    try {
      progress(`purge: ${entry.id}`);
      const { quiet, during, seconds, purged } = await purgeUnder(entry, servers, sizes);
      kept[entry.id] = during / quiet;
      rows.push([
        entry.name,
        number(quiet),
        number(during),
        ratio(during / quiet),
        number(seconds),
        number(purged),
      ]);
    } catch (error) {
      if (error.name !== 'Absent') throw error;
    }
  }
  progress();
  await postgres.drop(DEAD);
  const head = ['load', 'quiet, cycles/s', 'during, cycles/s', 'kept', 'purge s', 'rows purged'];
  return { title: `Purge under load, ${CALLERS} callers`, text: table(head, rows), kept };
}

async function purgeUnder(entry, servers, { seconds, firstSeconds }) {
  const { postgres } = servers;
  await postgres.create(DATABASE, DEAD);
  const loaded = await startContestant(entry, servers, { database: DATABASE });
  const purger = await startContestant(entry, servers, { database: DATABASE });
  const perSecond = async (time) =>
    (await loaded.load({ callers: CALLERS, seconds: time })).perSecond;
  await perSecond(firstSeconds);
  const before = await perSecond(3 * seconds);

  const begin = performance.now();
  const purge = { isOver: false };
  const purging = purger.child.call('purge').finally(() => {
    purge.isOver = true;
    purge.seconds = (performance.now() - begin) / 1_000;
  });
  const slices = [];
  while (!purge.isOver) slices.push(await perSecond(1));
  const purged = await purging;
  // The last one saw the purge end.
  if (slices.length > 1) slices.pop();
  const after = await perSecond(3 * seconds);
  await purger.stop();
  await loaded.stop();
  await postgres.drop(DATABASE);
  const during = slices.reduce((sum, slice) => sum + slice, 0) / slices.length;
  return { quiet: (before + after) / 2, during, seconds: purge.seconds, purged };
}
