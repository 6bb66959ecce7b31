import { serviceEntries } from '../contenders/service.js';
import { startContestant } from '../process/contestant.js';
import { progress } from '../report/progress.js';
import { number, table } from '../report/table.js';
import { chosen } from './chosen.js';

/** The first one is measured in any case. */
const MEASURED = serviceEntries('ours-joined', 'ours-joined-limits', 'ours');
const CALLERS = 64;
/** How many calls one batch has: few enough that the list of their latencies does not grow. */
const BATCH = 10_000;

/** What a process holds after its first cycles, and after very many. */
export async function run(bench) {
  const { sizes, servers } = bench;
  const rows = [];
  const grown = {};
  for (const entry of chosen(MEASURED, bench)) {
    try {
      const [first, last] = await memoryOf(entry, servers, sizes.memoryCycles);
      grown[entry.id] = last - first;
      rows.push([entry.name, number(first), number(last), number(last - first)]);
    } catch (error) {
      if (error.name !== 'Absent') throw error;
    }
  }
  progress();
  const many = sizes.memoryCycles.toLocaleString('en-US');
  const head = ['contender', 'RSS MB after 10,000 cycles', `after ${many}`, 'difference'];
  return { title: 'Memory, 64 callers', text: table(head, rows), grown };
}

async function memoryOf(entry, servers, cycles) {
  const contestant = await startContestant(entry, servers, { execArgv: ['--expose-gc'] });
  const rss = async () => (await contestant.child.call('rssAfterGc')) / 2 ** 20;
  await contestant.load({ callers: CALLERS, cycles: BATCH });
  const first = await rss();
  for (let done = BATCH; done < cycles; done += BATCH) {
    progress(`memory: ${entry.id}, ${done} of ${cycles} cycles`);
    await contestant.load({ callers: CALLERS, cycles: BATCH });
  }
  const last = await rss();
  await contestant.stop();
  return [first, last];
}
