import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { median, shuffled } from '../measure/statistics.js';
import { number, table } from '../report/table.js';
import { progress } from '../report/progress.js';
import { MIGRATED } from '../servers/migrate.js';

const APPLICATION = fileURLToPath(new URL('../boot/application.js', import.meta.url));
const PROFILED = fileURLToPath(new URL('../boot/profiled.js', import.meta.url));
const DATABASE = 'bench_boot';

/**
 * From the start of a process until it listens, with the module and without, in pairs. The difference is of what comes when
 * Node and the peers are loaded: until then both do the same, and most of the noise is there.
 */
export async function run({ sizes, servers: { postgres } }) {
  await postgres.create(DATABASE, MIGRATED);
  const times = { with: [], without: [] };
  const phases = { with: [], without: [] };
  // The first pair reads the files from the disk, and is not counted.
  for (let pair = 0; pair <= sizes.boots; pair += 1) {
    progress(`boot ${pair} of ${sizes.boots}`);
    for (const kind of shuffled(['with', 'without'])) {
      const told = await boot(postgres.url(DATABASE), kind);
      if (pair === 0) continue;
      times[kind].push(told.time);
      phases[kind].push(told.phases);
    }
  }
  progress();
  const own = (kind) => times[kind].map((time, pair) => time - phases[kind][pair].peers);
  const [longer, shorter] = [own('with'), own('without')];
  const differences = longer.map((time, pair) => time - shorter[pair]);
  const difference = median(differences);
  const spread = `${number(Math.min(...differences))} to ${number(Math.max(...differences))}`;
  const text = table(
    ['pairs', 'without, ms', 'with, ms', 'difference, ms', 'spread'],
    [
      [
        sizes.boots,
        number(median(times.without)),
        number(median(times.with)),
        number(difference),
        spread,
      ],
    ],
  );
  return { title: 'Boot', text: `${text}\n\n${phaseTable(phases)}`, differenceMs: difference };
}

const PHASES = {
  peers: 'Node, Nest, TypeORM and class-validator are loaded',
  module: 'the module is loaded, and its options are given',
  create: '`NestFactory.create`: providers, data source',
  listen: '`listen`: routes, hooks',
};

/** Medians of how long each took; what comes before `peers` is the same for both, and shows the noise. */
function phaseTable(phases) {
  const names = Object.keys(PHASES);
  const took = (kind, at) =>
    phases[kind].map((times) => times[names[at]] - (at > 0 ? times[names[at - 1]] : 0));
  const rows = names.map((name, at) => {
    const [without, by] = [took('without', at), took('with', at)];
    const difference = median(by.map((time, pair) => time - without[pair]));
    return [PHASES[name], number(median(without)), number(median(by)), number(difference)];
  });
  return table(['phase', 'without, ms', 'with, ms', 'difference, ms'], rows);
}

/**
 * @param {string} url
 * @param {'with' | 'without'} kind
 * @returns {Promise<{ time: number, phases: Record<string, number>, profile?: import('node:inspector').Profiler.Profile }>}
 */
export async function boot(url, kind, { isProfiled = false } = {}) {
  const file = isProfiled ? PROFILED : APPLICATION;
  const child = fork(file, [url, ...(kind === 'with' ? ['with'] : [])], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let told;
    child.on('message', (said) => {
      told = said;
    });
    child.on('exit', (code) => {
      if (told === undefined) reject(new Error(`An application did not start (${code}).`));
      else resolve(told);
    });
  });
}
