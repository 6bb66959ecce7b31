import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { NodeMajor } from './cells.js';
import { command } from './command.js';

export interface NodeBinary {
  readonly path: string;
  readonly version: string;
}

/**
 * The Nodes that are wanted: the one that runs this, and the others from npm, in a folder beside the lock rather than in it.
 */
export async function nodeBinaries(
  majors: ReadonlySet<NodeMajor>,
  folder: string,
): Promise<ReadonlyMap<NodeMajor, NodeBinary>> {
  const binaries = new Map<NodeMajor, NodeBinary>();
  await mkdir(folder, { recursive: true });
  for (const major of majors) {
    const path = process.version.startsWith(`v${major}.`)
      ? process.execPath
      : await installed(major, join(folder, major));
    const version = await command(path, ['--version'], { cwd: folder, seconds: 30 });
    binaries.set(major, { path, version: version.trim() });
  }
  return binaries;
}

async function installed(major: NodeMajor, folder: string): Promise<string> {
  const path = join(folder, 'node_modules', `node${major}`, 'bin/node');
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
    const name = `node${major}@npm:node-${process.platform}-${process.arch}@${major}`;
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];
    await command('npm', ['install', ...flags, name], { cwd: folder, seconds: 300 });
  }
  return path;
}
