import { serviceEntries } from '../contenders/service.js';
import { rounds } from '../measure/rounds.js';
import { startContestant } from '../process/contestant.js';
import { Contest } from '../report/contest.js';
import { progress } from '../report/progress.js';
import { number, ratio, spread, table } from '../report/table.js';
import { addDeadRows } from '../servers/dead-rows.js';
import { MIGRATED } from '../servers/migrate.js';

const GROWING = serviceEntries('floor', 'ours', 'ours-joined');
const CALLERS = 16;

const databaseOf = (rows) => `growth_${rows}`;
const idOf = ({ id }, rows) => `${id}-${rows}`;

/** The same work on tables of three sizes, whose rows are all dead. */
export async function run({ sizes, servers }) {
  const { postgres } = servers;
  const { growthRows } = sizes;
  const [smallest] = growthRows;
  for (const [at, rows] of growthRows.entries()) {
    const fewer = growthRows[at - 1] ?? 0;
    progress(`growth: ${rows} rows`);
    await postgres.create(databaseOf(rows), fewer === 0 ? MIGRATED : databaseOf(fewer));
    await addDeadRows(postgres, databaseOf(rows), fewer + 1, rows);
  }
  const entries = GROWING.flatMap((entry) =>
    growthRows.map((rows) => ({ ...entry, id: idOf(entry, rows), rows })),
  );
  const start = async (entry) => {
    if (entry.rows !== smallest) {
      return startContestant(entry, servers, { database: databaseOf(entry.rows) });
    }
    // What the others add would make a small table large: each has a copy of its own.
    const database = `growth_${entry.id.replaceAll('-', '_')}`;
    await postgres.create(database, databaseOf(smallest));
    return startContestant(entry, servers, { database });
  };
  const contest = new Contest(await rounds({ entries, levels: [CALLERS], sizes, postgres, start }));
  const rows = entries
    .filter(({ id }) => !contest.absent.has(id))
    .map(({ id, name, rows: count }) => {
      const base = id.replace(/\d+$/, String(smallest));
      const figure = (key) => number(contest.median(id, CALLERS, key));
      return [
        name,
        count.toLocaleString('en-US'),
        figure('perSecond'),
        spread(contest.ratios(id, base, CALLERS)),
        figure('p99'),
        figure('walBytes'),
        ratio(contest.ratio(id, base, CALLERS, 'walBytes')),
        figure('cpuMs'),
      ];
    });
  for (const count of growthRows) await postgres.drop(databaseOf(count));
  const most = growthRows.at(-1);
  const compared = (id, figure) =>
    contest.ratio(`${id}-${most}`, `${id}-${smallest}`, CALLERS, figure);
  return {
    title: `Growth, ${CALLERS} callers`,
    text: table(
      [
        'contender',
        'rows',
        'cycles/s',
        'to its fewest',
        'p99 ms',
        'WAL bytes',
        'to its fewest',
        'CPU ms',
      ],
      rows,
    ),
    perSecond: (id) => compared(id, 'perSecond'),
    walBytes: (id) => compared(id, 'walBytes'),
  };
}
