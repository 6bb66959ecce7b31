import { SERVICE } from '../contenders/service.js';
import { rounds } from '../measure/rounds.js';
import { startContestant } from '../process/contestant.js';
import { Contest, contestTables } from '../report/contest.js';
import { chosen } from './chosen.js';

/** The services alone, without HTTP. */
export async function run(bench) {
  const { sizes, servers } = bench;
  const entries = chosen(SERVICE, bench);
  const contest = new Contest(
    await rounds({
      entries,
      levels: sizes.callers,
      sizes,
      postgres: servers.postgres,
      start: (entry) => startContestant(entry, servers),
    }),
  );
  const text = contestTables(contest, entries, sizes.callers, 'caller');
  return { title: 'Service', text, contest };
}
