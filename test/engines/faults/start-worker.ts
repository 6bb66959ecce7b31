import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { SECRET, type TestApp } from '../../support/test-app.js';

/** Runs the file in a Node of its own, compiled as the tests are. */
const LAUNCH = `
  import { runnerImport } from 'vite';
  await runnerImport(process.argv[1], { configFile: false, logLevel: 'error' });
`;

export interface Worker {
  readonly child: ChildProcess;
  /** What it sent when it was ready. */
  readonly message: unknown;
}

/** Starts a process of the application whose way to the database can be stopped. */
export async function startWorker(
  file: string,
  { test }: { readonly test: Pick<TestApp, 'clock' | 'database'> },
): Promise<Worker> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--input-type=module', '--eval', LAUNCH, path], {
    env: {
      ...process.env,
      DATABASE: JSON.stringify(test.database.options),
      SECRET,
      INBOX_TABLE: 'inbox',
      NOW: String(test.clock.now()),
      NODE_ENV: 'production',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit').then(() => {
    throw new Error('The worker did not start.');
  });
  exit.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), exit])) as [unknown];
  return { child, message };
}
