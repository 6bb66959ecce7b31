import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import type { PlantedFault } from './planted-fault.js';
import { VERDICT, type Verdict } from './verdict.js';

/** Far more than a run needs, so that only a run that hangs is ended. */
const LONGEST_MS = 1_200_000;
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;

/** The tests of a run, and its output for a reader when a test is missing. */
export interface TestRun {
  readonly verdicts: readonly Verdict[];
  readonly output: string;
}

/** Runs the tests with these titles in a folder of sources, in so many processes. */
export async function runTests(
  folder: string,
  faults: readonly Pick<PlantedFault, 'spec' | 'test'>[],
  workers = 1,
): Promise<TestRun> {
  const pattern = faults
    // Vitest compares the pattern with the titles joined by blanks.
    .map(({ test }) => test.replaceAll(' > ', ' ').replace(SYNTAX, String.raw`\$&`))
    .join('|');
  const child = spawn(
    process.execPath,
    [
      join(folder, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      'test/planted-faults/planted.config.ts',
      '--testNamePattern',
      `^\\s*(?:${pattern})$`,
      `--maxWorkers=${workers}`,
      ...new Set(faults.map(({ spec }) => spec)),
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: LONGEST_MS, killSignal: 'SIGKILL' },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  const line = output.split('\n').find((each) => each.startsWith(VERDICT));
  const verdicts = line === undefined ? [] : (JSON.parse(line.slice(VERDICT.length)) as Verdict[]);
  return { verdicts, output };
}
