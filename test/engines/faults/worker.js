// Runs worker.ts in a Node of its own, compiled as the tests are.
import { fileURLToPath } from 'node:url';

import { runnerImport } from 'vite';

await runnerImport(fileURLToPath(new URL('worker.ts', import.meta.url)), {
  configFile: false,
  logLevel: 'error',
});
