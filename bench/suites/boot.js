import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { median, shuffled } from '../measure/statistics.js';
import { number, table } from '../report/table.js';
import { progress } from '../report/progress.js';
import { MIGRATED } from '../servers/migrate.js';

const APPLICATION = fileURLToPath(new URL('../boot/application.js', import.meta.url));
const PROFILED = fileURLToPath(new URL('../boot/profiled.js', import.meta.url));
const DATABASE = 'bench_boot';

/** From the start of a process until it listens, with the module and without, in pairs. */
export async function run({ sizes, servers: { postgres } }) {
  await postgres.create(DATABASE, MIGRATED);
  const times = { with: [], without: [] };
  // The first pair reads the files from the disk, and is not counted.
  for (let pair = 0; pair <= sizes.boots; pair += 1) {
    progress(`boot ${pair} of ${sizes.boots}`);
    for (const kind of shuffled(['with', 'without'])) {
      const { time } = await boot(postgres.url(DATABASE), kind);
      if (pair > 0) times[kind].push(time);
    }
  }
  progress();
  const differences = times.with.map((time, pair) => time - times.without[pair]);
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
  return { title: 'Boot', text, differenceMs: difference };
}

/**
 * @param {string} url
 * @param {'with' | 'without'} kind
 * @returns {Promise<{ time: number, profile?: import('node:inspector').Profiler.Profile }>}
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
