// Runs specs by the configuration of their round, whichever round that is, and fails when no test ran:
//
//   npm run spec -- test/engines/faults/lost-answers.spec.ts [more files or folders] [-t mariadb] [other options of vitest]
//
// `npx vitest run FILE` finds the files of `npm test` alone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createVitest } from 'vitest/node';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

// As the command line of vitest does. Without it `createVitest` sets `development`, and the specs of production fail.
process.env.NODE_ENV ??= 'test';

/** Each test file is in one of these rounds. The rounds `unbatched` and `unlogged` repeat some of the files with other options. */
const CONFIGS = [
  'vitest.config.ts',
  'test/servers.config.ts',
  'test/extended.config.ts',
  'test/pages/pages.config.ts',
  'test/engines/faults/million-rows.config.ts',
  'test/engines/growth/growth.config.ts',
  'test/engines/queue/queue.config.ts',
  'test/engines/queue/long-run.config.ts',
];
/** Rounds of millions of rows, or of half an hour. A folder does not start them: their file must be named. */
const LONG_CONFIGS = new Set(CONFIGS.slice(4));

/**
 * The files of each round whose paths contain what is asked for, as vitest compares them.
 *
 * @param {readonly string[]} asked files or folders; none for all files of all rounds.
 */
export async function filesByConfig(asked) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  const missing = new Set(asked);
  const isFile = (/** @type {string} */ path) => existsSync(path) && statSync(path).isFile();
  for (const config of CONFIGS) {
    const filters = LONG_CONFIGS.has(config) ? asked.filter(isFile) : asked;
    if (asked.length > 0 && filters.length === 0) continue;
    const vitest = await createVitest('test', { root: ROOT, config, watch: false, reporters: [] });
    try {
      for (const filter of filters.length > 0 ? filters : [undefined]) {
        const specs = await vitest.globTestSpecifications(filter === undefined ? [] : [filter]);
        if (specs.length === 0) continue;
        if (filter !== undefined) missing.delete(filter);
        const files = specs.map(({ moduleId }) => relative(ROOT, moduleId));
        found.set(config, [...new Set([...(found.get(config) ?? []), ...files])]);
      }
    } finally {
      await vitest.close();
    }
    if (missing.size === 0 && asked.length > 0 && asked.every(isFile)) break;
  }
  return { found, missing: [...missing] };
}

/** @param {string} config @param {readonly string[]} rest @returns {Promise<boolean>} whether its tests passed. */
async function run(config, rest) {
  const reporters = ['--reporter=default', '--reporter=./test/support/some-test-ran.ts'];
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', config, ...reporters, ...rest],
    { cwd: ROOT, stdio: 'inherit' },
  );
  const [code] = await once(child, 'exit');
  return code === 0;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const rest = process.argv.slice(2);
  const end = rest.findIndex((argument) => argument.startsWith('-'));
  const asked = rest.slice(0, end === -1 ? rest.length : end);
  const { found, missing } = await filesByConfig(asked);
  if (asked.length === 0 || missing.length > 0) {
    process.stderr.write(
      asked.length === 0
        ? 'Usage: npm run spec -- FILE... [OPTIONS OF VITEST]\n'
        : `No test file has ${missing.join(' or ')} in its path.\n`,
    );
    process.exitCode = 1;
  } else {
    for (const config of found.keys()) {
      process.stdout.write(`${config}:\n`);
      if (!(await run(config, rest))) process.exitCode = 1;
    }
  }
}
