import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { EntryReport, Line } from './entry.js';

/** Runs worker.ts in a Node of its own, compiled as the tests are. */
const LAUNCH = `
  import { runnerImport } from 'vite';
  await runnerImport(process.argv[1], { configFile: false, logLevel: 'error' });
`;
const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

/** What became of all texts of a group. */
export interface Run {
  /** Texts that took too long, and the one that never came to an end. */
  readonly slow: readonly string[];
  readonly entries: readonly EntryReport[];
  readonly texts: number;
}

/**
 * Feeds all texts to a group of entries in a child process, and kills it when one text takes longer than `hangMs`: an
 * exponential expression is a failure with the text's name, and not a suite that hangs.
 *
 * @throws Error when the process ends without a report.
 */
export async function runGroup(group: string, hangMs: number): Promise<Run> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', LAUNCH, WORKER, group], {
    env: { ...process.env, NODE_ENV: 'test' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const slow: string[] = [];
  let last: Line | undefined;
  let watchdog: NodeJS.Timeout | undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    clearTimeout(watchdog);
    const line = JSON.parse(text) as Line;
    last = line;
    if (line.does === 'slow')
      slow.push(`${line.entry} took ${Math.round(line.ms)} ms for ${line.text}`);
    if (line.does === 'begin') {
      watchdog = setTimeout(() => {
        slow.push(`${line.entry} did not end within ${hangMs} ms for ${line.text}`);
        child.kill('SIGKILL');
      }, hangMs);
    }
  }
  clearTimeout(watchdog);
  if (last?.does === 'end') return { slow, entries: last.entries, texts: last.texts };
  if (child.killed) return { slow, entries: [], texts: 0 };
  throw new Error(
    `The worker of ${group} ended without a report. Its last line: ${JSON.stringify(last)}`,
  );
}
