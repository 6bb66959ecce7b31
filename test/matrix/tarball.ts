import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { command } from './command.js';

interface Manifest {
  exports: Record<string, string | Record<string, unknown>>;
}

/** Builds and packs the package as for the registry. */
export async function packPackage(root: string, folder: string): Promise<string> {
  return pack(root, folder, []);
}

/** The naive twin of a tarball: a package of ES modules alone. */
export async function withoutCommonFace(tarball: string, folder: string): Promise<string> {
  await command('tar', ['-xzf', tarball, '-C', folder], { cwd: folder, seconds: 60 });
  const file = join(folder, 'package/package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest;
  for (const entry of Object.values(manifest.exports)) {
    if (typeof entry === 'object') delete entry['require'];
  }
  await writeFile(file, JSON.stringify(manifest));
  return pack(join(folder, 'package'), folder, ['--ignore-scripts']);
}

async function pack(cwd: string, folder: string, flags: readonly string[]): Promise<string> {
  const args = ['pack', '--pack-destination', folder, ...flags];
  const output = await command('npm', args, { cwd, seconds: 300 });
  const name = /^\S+\.tgz$/m.exec(output)?.[0];
  if (name === undefined) throw new Error(output);
  return join(folder, name);
}
