import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { HTTP } from '../http/entries.js';
import { serviceEntries } from '../contenders/service.js';
import { longerFunctions, topFunctions } from '../measure/top-functions.js';
import { startContestant } from '../process/contestant.js';
import { startHttpClient, startHttpContestant } from '../process/http-contestant.js';
import { number, percent, table } from '../report/table.js';
import { MIGRATED } from '../servers/migrate.js';
import { BENCH, ROOT } from '../setup/prepare.js';
import { boot } from './boot.js';

const FOLDER = join(BENCH, '.tmp');
const CONNECTIONS = 64;
const TOP = 10;
/** With the module and without it, in turn. */
const BOOTS = 15;
const BOOT_DATABASE = 'bench_boot_profile';

/** The profile of one entry under load, as the rows of a report. */
export async function profileOf(entry, name, callers, sizes, start) {
  mkdirSync(FOLDER, { recursive: true });
  const { profile, perSecond } = await underLoad(await start(), callers, sizes);
  const top = topFunctions(profile, TOP);
  return [
    `### ${entry.name}, ${name}, ${Math.round(perSecond)} cycles/s`,
    table(
      ['function', 'where', 'self'],
      top.map(({ name: it, where, share }) => [it, where, percent(share)]),
    ),
    kept(`${entry.id}-${callers}`, profile),
  ];
}

/** Where our own time goes: of the services, over HTTP, and of a boot. */
export async function run({ sizes, servers }) {
  const parts = [];
  const add = async (name, entry, callers, start) =>
    parts.push(...(await profileOf(entry, name, callers, sizes, start)));

  const [plain, joined] = serviceEntries('ours', 'ours-joined');
  for (const { entry, callers } of [
    { entry: plain, callers: 16 },
    { entry: joined, callers: 4 },
    { entry: joined, callers: 64 },
  ]) {
    await add(`${callers} callers`, entry, callers, () => startContestant(entry, servers));
  }
  const client = startHttpClient();
  for (const entry of HTTP.filter(({ id }) =>
    ['ours-fastify', 'ours-fastify-joined'].includes(id),
  )) {
    await add(`${CONNECTIONS} connections`, entry, CONNECTIONS, () =>
      startHttpContestant(entry, servers, client),
    );
  }
  await client.stop();
  parts.push(...(await boots(servers)));
  return { title: 'CPU profile', text: parts.join('\n\n') };
}

async function underLoad(contestant, callers, { firstSeconds, seconds }) {
  await contestant.load({ callers, seconds: firstSeconds });
  await contestant.child.call('startProfile');
  const { perSecond } = await contestant.load({ callers, seconds: 3 * seconds });
  const profile = await contestant.child.call('stopProfile');
  await contestant.stop();
  return { profile, perSecond };
}

/** What a boot does more with the module than without it. */
async function boots({ postgres }) {
  await postgres.create(BOOT_DATABASE, MIGRATED);
  const url = postgres.url(BOOT_DATABASE);
  const profiles = { with: [], without: [] };
  // The first pair reads the files from the disk, and is not counted.
  for (let round = 0; round <= BOOTS; round += 1) {
    for (const kind of ['with', 'without']) {
      const { profile } = await boot(url, kind, { isProfiled: true });
      if (round > 0) profiles[kind].push(profile);
    }
  }
  const rows = longerFunctions(profiles.with, profiles.without, 2 * TOP);
  return [
    `### A boot, with the module less without it, medians of ${BOOTS} each`,
    table(
      ['function, and what it calls', 'where', 'ms more'],
      rows.map(({ name, where, ms }) => [name, where, number(ms)]),
    ),
    kept('boot', profiles.with.at(-1)),
  ];
}

function kept(name, profile) {
  const file = join(FOLDER, `${name}.cpuprofile`);
  writeFileSync(file, JSON.stringify(profile));
  return `All of it: \`${relative(ROOT, file)}\`, for the developer tools of a browser.`;
}
