import { Client } from 'pg';

import { serviceEntries } from '../contenders/service.js';
import { wrongCode } from '../measure/cycle.js';
import { median } from '../measure/statistics.js';
import { startContestant } from '../process/contestant.js';
import { progress } from '../report/progress.js';
import { number, spread, table } from '../report/table.js';

const LOCKED = serviceEntries('floor', 'ours', 'ours-joined');
const CALLERS = 63;
const SECONDS = 2;

/** How 63 callers fare while the transaction of another client locks the row of a 64th for two seconds. */
export async function run({ sizes, servers }) {
  const rows = [];
  const ratios = {};
  for (const entry of LOCKED) {
    try {
      const rounds = await roundsOf(entry, servers, sizes);
      const of = (key) => rounds.map((round) => round[key]);
      const all = rounds.map(({ quiet, locked }) => locked / quiet);
      ratios[entry.id] = median(all);
      rows.push([
        entry.name,
        number(median(of('quiet'))),
        number(median(of('locked'))),
        spread(all),
        number(median(of('waited'))),
      ]);
    } catch (error) {
      if (error.name !== 'Absent') throw error;
    }
  }
  progress();
  const head = ['contender', 'quiet p99 ms', 'locked p99 ms', 'ratio', 'the 64th waits, ms'];
  return { title: 'A locked row, 63 other callers', text: table(head, rows), ratios };
}

async function roundsOf(entry, servers, { lockRounds, firstSeconds }) {
  const contestant = await startContestant(entry, servers);
  const other = new Client(servers.postgres.url(contestant.database));
  await other.connect();
  const rounds = [];
  await contestant.load({ callers: CALLERS, seconds: firstSeconds });
  for (let round = 1; round <= lockRounds; round += 1) {
    progress(`locked row, round ${round} of ${lockRounds}: ${entry.id}`);
    const { p99: quiet } = await contestant.load({ callers: CALLERS, seconds: SECONDS });
    const made = await contestant.child.call('make');
    await other.query('BEGIN');
    const lock = 'SELECT FROM two_factor_confirmation WHERE id = $1 FOR UPDATE';
    await other.query(lock, [made.id]);
    const since = performance.now();
    const load = contestant.load({ callers: CALLERS, seconds: SECONDS });
    const blocked = contestant.child
      .call('confirm', made, wrongCode())
      .then(() => performance.now() - since);
    const { p99: locked } = await load;
    await other.query('ROLLBACK');
    rounds.push({ quiet, locked, waited: await blocked });
  }
  await other.end();
  await contestant.stop();
  return rounds;
}
