import { rmSync } from 'node:fs';

import { writeResults } from './report/results.js';
import { describeMachine } from './report/machine.js';
import { gates } from './report/gates.js';
import { Child } from './process/child.js';
import { dataFolder } from './servers/data-folder.js';
import { createMigrated } from './servers/migrate.js';
import { startPostgres } from './servers/postgres.js';
import { startRedis } from './servers/redis.js';
import { PARTS } from './setup/options.js';

/**
 * Runs the parts that were asked for, and says what came out.
 *
 * @param {ReturnType<import('./setup/options.js').parseOptions>} options
 * @param {ReturnType<import('./setup/prepare.js').prepare>} pack
 */
export async function run(options, pack) {
  const folder = dataFolder(options.data);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const started = [];
  try {
    const postgres = await startPostgres(folder);
    started.push(postgres);
    const redis = await startRedis(folder);
    if (redis) started.push(redis);
    await createMigrated(postgres);
    const servers = { postgres, redis };
    const sections = [];
    const say = (title, text) => {
      const section = `## ${title}\n\n${text}\n`;
      sections.push(section);
      process.stdout.write(`${section}\n`);
    };
    say('Machine', await describeMachine(folder, servers, options));
    const results = {};
    for (const part of PARTS.filter((name) => options.parts.has(name))) {
      try {
        const suite = await import(`./suites/${part}.js`);
        results[part] = await suite.run({ ...options, folder, servers, pack });
        say(results[part].title, results[part].text);
      } catch (error) {
        // An hour's other parts are worth having.
        process.exitCode = 1;
        say(part, `Failed: ${error.message}`);
        process.stderr.write(`${error.stack}\n`);
        await Child.stopAll();
      }
    }
    say('Gates', gates(results));
    if (options.record) writeResults(sections);
  } finally {
    for (const server of started.toReversed()) await server.stop();
  }
}
