import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BENCH = fileURLToPath(new URL('..', import.meta.url));
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const INSTALLED = join(BENCH, 'node_modules/nestjs-two-factor');
/** Says of which lock the installed packages are. */
const MARK = join(BENCH, 'node_modules/.lock-hash');

/**
 * Builds the package, installs what it is compared with, and puts the package beside that as npm would: what is measured
 * is what users get, with one copy of Nest, TypeORM and pg for all contenders.
 *
 * @returns {{ size: number, unpackedSize: number, files: number }} the packed package.
 */
export function prepare() {
  assertSameVersions();
  npm(ROOT, 'run', 'build');
  const lock = createHash('sha256').update(readFileSync(join(BENCH, 'package-lock.json')));
  const hash = lock.digest('hex');
  if (!existsSync(MARK) || readFileSync(MARK, 'utf8') !== hash) {
    npm(ROOT, 'ci', '--prefix', BENCH, '--no-audit', '--no-fund');
    writeFileSync(MARK, hash);
  }
  return installPacked();
}

function installPacked() {
  const folder = mkdtempSync(join(tmpdir(), 'two-factor-pack-'));
  try {
    // What `prepack` would build has been built.
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
    const told = JSON.parse(npm(ROOT, ...args));
    // npm 11 answers a list, npm 12 an object by package.
    const { filename, size, unpackedSize, entryCount } = Object.values(told)[0];
    rmSync(INSTALLED, { recursive: true, force: true });
    mkdirSync(INSTALLED, { recursive: true });
    const tarball = join(folder, filename);
    execFileSync('tar', ['-xzf', tarball, '-C', INSTALLED, '--strip-components=1']);
    return { size, unpackedSize, files: entryCount };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Another version would measure the difference of the versions. */
function assertSameVersions() {
  const { devDependencies } = manifest(ROOT);
  for (const [name, version] of Object.entries(manifest(BENCH).dependencies)) {
    const wanted = devDependencies[name] ?? version;
    if (wanted !== version) {
      throw new Error(
        `bench has ${name} ${version}, the package is tested with ${wanted}. Change bench/package.json and run npm install there.`,
      );
    }
  }
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function npm(cwd, ...args) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
