import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Compiles the worker into one file, because a process that is killed every second must start in less than one. The file is inside
 * of the repository, where Node finds the packages.
 *
 * @returns its path.
 */
export async function bundleWorker(): Promise<string> {
  // In a fresh clone there is no such folder.
  await mkdir(join(ROOT, '.tmp'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.tmp', 'queue-'));
  const bundle = await rolldown({
    input: fileURLToPath(new URL('worker.ts', import.meta.url)),
    platform: 'node',
    tsconfig: join(ROOT, 'tsconfig.json'),
    // Packages are imported, except for the helpers of the compiler, which are no package here.
    external: (id) => !/^(?:[./]|@oxc-project\/)/.test(id),
    logLevel: 'silent',
  });
  const path = join(folder, 'worker.mjs');
  await bundle.write({ file: path, format: 'esm' });
  await bundle.close();
  return path;
}
