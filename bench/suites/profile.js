import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { HTTP } from '../http/entries.js';
import { topFunctions } from '../measure/top-functions.js';
import { startHttpClient, startHttpContestant } from '../process/http-contestant.js';
import { percent, table } from '../report/table.js';
import { BENCH, ROOT } from '../setup/prepare.js';

const PROFILED = HTTP.filter(({ id }) => ['ours-fastify', 'ours-fastify-joined'].includes(id));
const FOLDER = join(BENCH, '.tmp');
const CONNECTIONS = 64;
const TOP = 10;

/** Where our server's own time goes under load. */
export async function run({ sizes, servers }) {
  mkdirSync(FOLDER, { recursive: true });
  const parts = [];
  const client = startHttpClient();
  for (const entry of PROFILED) {
    try {
      const { profile, perSecond } = await profileOf(entry, servers, client, sizes);
      const file = join(FOLDER, `${entry.id}.cpuprofile`);
      writeFileSync(file, JSON.stringify(profile));
      const top = topFunctions(profile, TOP);
      const rows = top.map(({ name, where, share }) => [name, where, percent(share)]);
      const head = `### ${entry.name}, ${CONNECTIONS} connections, ${Math.round(perSecond)} cycles/s`;
      const more = `All of it: \`${relative(ROOT, file)}\`, for the developer tools of a browser.`;
      parts.push(head, table(['function', 'where', 'self'], rows), more);
    } catch (error) {
      if (error.name !== 'Absent') throw error;
    }
  }
  await client.stop();
  return { title: 'CPU profile', text: parts.join('\n\n') };
}

async function profileOf(entry, servers, client, { warmUpSeconds, seconds }) {
  const server = await startHttpContestant(entry, servers, client);
  await server.load({ callers: CONNECTIONS, seconds: 2 * warmUpSeconds });
  await server.child.call('startProfile');
  const { perSecond } = await server.load({ callers: CONNECTIONS, seconds: 3 * seconds });
  const profile = await server.child.call('stopProfile');
  await server.stop();
  return { profile, perSecond };
}
