// Queued requests a second, beside an outbox that is written by hand with `pg`. `npm run build` first.
//   node bench/queue/index.js [rounds] [requests of a caller] [--record]
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { Pool } from 'pg';

import { newPerson } from '../measure/cycle.js';
import { median, shuffled } from '../measure/statistics.js';
import { number, spread, table } from '../report/table.js';
import {
  createDatabase,
  dropDatabase,
  POOL,
  startApplication,
} from '../setup/postgres-application.js';
import { outboxOn } from './outbox.js';

process.env.NODE_ENV = 'production';
const { TwoFactorService } = await import('../../dist/index.js');

/** Messages that are sent at once, by each contender. */
const CONCURRENCY = 16;
const CALLERS = [1, 16, 64];
/** The maximum of a limit. */
const MOST = 1_000_000;
const [rounds = 5, requests = 60] = process.argv
  .slice(2)
  .filter((each) => /^\d+$/.test(each))
  .map(Number);

/** A provider that accepts at once, so that the queue is measured alone. */
const send = async () => undefined;

/** A connection that the server ends while its database is dropped is no error. */
function openPool(url, max) {
  const pool = new Pool({ connectionString: url, max });
  return pool.on('error', () => undefined);
}

const startQueued = (url, limits) =>
  startApplication(url, {
    delivery: 'queued',
    worker: { concurrency: CONCURRENCY, pollSeconds: 1 },
    senders: { default: { backend: () => send } },
    limits,
  });

async function openOurs(name, limits) {
  const { url, version } = await createDatabase(name);
  const app = await startQueued(url, limits);
  const twoFactor = app.get(TwoFactorService);
  const pool = openPool(url, 1);
  return {
    version,
    request: ({ subject, token }) => twoFactor.request({ purpose: 'pay', subject, token }),
    async drain() {
      const left = 'SELECT EXISTS (SELECT 1 FROM two_factor_delivery) AS waits';
      while ((await pool.query(left)).rows[0].waits) await sleep(1);
    },
    async close() {
      await app.close();
      await pool.end();
      await dropDatabase(name);
    },
  };
}

async function openByHand(name, inOneStatement) {
  const { url, version } = await createDatabase(name);
  // For the table of the confirmations.
  const app = await startQueued(url, false);
  await app.close();
  const pool = openPool(url, POOL);
  const outbox = outboxOn(pool, { inOneStatement, concurrency: CONCURRENCY, send });
  await outbox.createTable();
  return {
    ...outbox,
    version,
    async close() {
      await pool.end();
      await dropDatabase(name);
    },
  };
}

/** From the first request until the last message is sent and its row is gone. */
async function measure({ request, drain }, callers) {
  const count = requests * Math.min(callers, 32);
  let begun = 0;
  const work = async () => {
    while (begun < count) {
      begun += 1;
      await request(newPerson());
    }
  };
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: callers }, work));
  await drain();
  const { user, system } = process.cpuUsage(cpu);
  const rate = (count * 1_000) / (performance.now() - start);
  return { rate, cpuMs: (user + system) / 1_000 / count };
}

const contenders = {
  'one statement': await openByHand('two_factor_bench_queue_floor', true),
  transaction: await openByHand('two_factor_bench_queue_transaction', false),
  'ours, default limits': await openOurs('two_factor_bench_queue_limits', {
    sendsInTotal: { bound: [{ max: MOST, perSeconds: 3_600 }] },
  }),
  'ours, no limits': await openOurs('two_factor_bench_queue_ours', false),
};
const [FLOOR] = Object.keys(contenders);
const before = loadavg();
const samples = new Map();
for (let round = 0; round <= rounds; round += 1) {
  for (const callers of CALLERS) {
    for (const name of shuffled(Object.keys(contenders))) {
      const measured = await measure(contenders[name], callers);
      const key = `${name} ${callers}`;
      // The first round warms up.
      if (round > 0) samples.set(key, [...(samples.get(key) ?? []), measured]);
    }
  }
}
const after = loadavg();
const { version } = contenders[FLOOR];
for (const contender of Object.values(contenders)) await contender.close();

const rows = CALLERS.flatMap((callers) =>
  Object.keys(contenders).map((name) => {
    const floor = samples.get(`${FLOOR} ${callers}`);
    const own = samples.get(`${name} ${callers}`);
    const middle = (key) => number(median(own.map((each) => each[key])));
    const ratios = (key) => spread(own.map((each, at) => each[key] / floor[at][key]));
    return [callers, name, middle('rate'), ratios('rate'), middle('cpuMs'), ratios('cpuMs')];
  }),
);
const load = (values) => values.map((value) => value.toFixed(1)).join(', ');
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
const HEAD = ['callers', 'contender', 'a second', 'ratio', 'CPU ms of Node', 'ratio'];
const text = `# Queued requests a second

What \`node bench/queue/index.js ${rounds} ${requests} --record\` found. A request is done when its message was sent and its row deleted, so that the
rate counts both. The provider accepts at once. Two outboxes are written by hand with \`pg\` and named prepared statements, on our table of
confirmations with our MACs and envelopes: \`one statement\` inserts the confirmation and its message together, which is the least that keeps the
promise, and \`transaction\` does it as most applications would, by BEGIN, two inserts and COMMIT. Both send after the commit and delete the row by a
statement for each message. They charge no limits, repeat nothing, and look for nothing that a crash has left behind.

Ours is \`TwoFactorService.request\` with \`delivery: 'queued'\` and \`batching\` on, as it is by default; with the default limits
\`sendsInTotal.bound\` is ${number(MOST)} an hour, which is the most that it takes, because 5,000 would end the run. All run in one process, with pools
of ${POOL} connections and ${CONCURRENCY} messages that are sent at once, in ${rounds} rounds of ${requests} requests a caller, up to 32 times as many,
in an order that is drawn in each round, after one round that warms up. The first column of ratios is to \`one statement\` of the same round: the median, and
from the least to the greatest.

${table(HEAD, rows)}

${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}, PostgreSQL ${version}, commit ${git('rev-parse', '--short', 'HEAD')},
${new Date().toISOString().slice(0, 10)}. Load of the machine over 1, 5 and 15 minutes: ${load(before)} before, ${load(after)} after.
Other work shares the machine where that is above its number of cores: the contenders of one round then meet different minutes, and only the CPU time of
Node, which is counted for this process alone, says what one costs beside the other.
`;
process.stdout.write(text);
if (process.argv.includes('--record')) {
  writeFileSync(new URL('RESULTS.md', import.meta.url), text);
}
