import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PARTS = [
  'lib',
  'docs',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.browser.json',
  'build',
];

const run = promisify(execFile);

/** What `npm pack` says of a package. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** The package in a folder of its own, built. */
export interface PackageCopy {
  readonly folder: string;
  /** Packs it as it is, without building it again. */
  pack(): Promise<Packed & { readonly tarball: string }>;
  remove(): Promise<void>;
}

/** Builds the package as it is for the registry, in a copy: the `dist` of everybody else stays as it is. */
export async function buildCopy(): Promise<PackageCopy> {
  // Inside of the repository, where its node_modules are found.
  await mkdir(join(ROOT, '.tmp'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.tmp/packed-'));
  const texts = (await readdir(ROOT)).filter((name) => /\.md$|^LICENSE$/.test(name));
  for (const part of [...PARTS, ...texts]) {
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
  }
  await run('npm', ['run', 'build'], { cwd: folder });
  return {
    folder,
    pack: async () => {
      const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: folder });
      // A list, or since npm 12 an object by name.
      const packed = Object.values(JSON.parse(stdout) as Record<string, Packed>)[0]!;
      return { ...packed, tarball: join(folder, packed.filename) };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
