// What `npm publish` would publish: nothing without the address of the repository, and pages whose links all lead somewhere.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  emptyRegistry,
  manifest,
  PAGES,
  releaseCopy,
  REPOSITORY,
  ROOT,
  targetsOf,
  type EmptyRegistry,
  type Output,
  type ReleaseCopy,
} from '../support/release-copy.js';
import { cellsOf } from '../support/tables.js';

const repository = { type: 'git', url: `git+${REPOSITORY}.git` };
let copy: ReleaseCopy;

describe('A release', () => {
  beforeEach(async () => {
    copy = await releaseCopy();
  });
  afterEach(() => copy.remove());

  const release = async (): Promise<string> => {
    const { stdout, stderr } = await copy.run(process.execPath, 'build/release.js');
    return stdout + stderr;
  };

  it('is refused when the address of the repository is missing or is none', async () => {
    await copy.dateTheEntry();
    expect(await release()).toMatch(
      /^Not published: package\.json has no address of the repository/,
    );
    await copy.setManifest({ repository: { url: 'https://git.example/' } });
    expect(await release()).toContain('npm pkg set');
  });

  it('is refused when the changelog has no dated entry', async () => {
    await copy.setManifest({ repository });
    const text = await copy.read('CHANGELOG.md');
    await copy.write('CHANGELOG.md', text.replace(/^## .*$/m, '## 0.0.9 (2026-01-01)'));
    expect(await release()).toContain(`no dated entry of ${manifest.version}`);
  });

  it('is allowed when it has the address of the repository and a dated entry', async () => {
    await copy.setManifest({ repository });
    await copy.dateTheEntry();
    expect(await release()).toBe(
      `Version ${manifest.version} of ${REPOSITORY} may be published.\n`,
    );
  });

  it('is not packed when a page links to a file that does not exist', async () => {
    await copy.write('SECURITY.md', '[gone](docs/gone.md)');
    const readme = await copy.read('README.md');

    expect((await copy.run(process.execPath, 'build/page-links.js', 'prepare')).stderr).toBe(
      'Not packed: SECURITY.md links to docs/gone.md, which does not exist.\n',
    );
    expect(await copy.read('README.md')).toBe(readme);
  });

  it('restores the pages that an interrupted pack has changed when the next pack begins', async () => {
    const texts = (): Promise<string[]> => Promise.all(PAGES.map((page) => copy.read(page)));
    const before = await texts();
    await copy.run(process.execPath, 'build/page-links.js', 'prepare');
    expect(await texts()).not.toEqual(before);
    // The page is edited after git has restored it: it must keep the edit.
    await copy.write('SECURITY.md', `${before[2]}Edited.\n`);

    await copy.run(process.execPath, 'build/page-links.js', 'prepare');
    await copy.run(process.execPath, 'build/page-links.js', 'restore');

    expect(await texts()).toEqual(before.with(2, `${before[2]}Edited.\n`));
  });
});

interface Listed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** What npm prints with `--json`, below what scripts have printed: one package, or since npm 12 packages by name. */
function listedIn(stdout: string): Listed {
  const answer = JSON.parse(stdout.slice(stdout.search(/^[[{]$/m))) as Record<string, Listed>;
  return 'files' in answer ? (answer as unknown as Listed) : Object.values(answer)[0]!;
}

/** The links of the packed pages that a reader of the package cannot follow, and the number of those that were looked at. */
async function brokenLinks(folder: string): Promise<{ broken: string[]; looked: number }> {
  const broken: string[] = [];
  let looked = 0;
  for (const page of PAGES) {
    for (const target of targetsOf(await copy.read(join(folder, page)))) {
      if (target.startsWith('#')) continue;
      looked += 1;
      if (!isReachable(target, join(copy.folder, folder, page, '..')))
        broken.push(`${page}: ${target}`);
    }
  }
  return { broken, looked };
}

function isReachable(target: string, folder: string): boolean {
  if (!/^[a-z]+:/.test(target)) return existsSync(join(folder, target.split('#')[0]!));
  if (!target.startsWith(REPOSITORY)) return true;
  const [, kind, tag, path = '?'] =
    /^\/(blob|raw|tree)\/([^/]+)\/([^#]+)/.exec(target.slice(REPOSITORY.length)) ?? [];
  const isPicture = path.endsWith('.png');
  return (
    tag === `v${manifest.version}` && existsSync(join(ROOT, path)) && (kind === 'raw') === isPicture
  );
}

/** What all server entries share: the one copy, what brings it its packages, and how. */
const SHARED = ['core.cjs', 'packages.cjs', 'shared.cjs', 'shared.js'];

interface Face {
  readonly default: string;
}

/** The compressed bytes of code that an entry adds: the larger one of its two faces, and of the root entry also what all share. */
async function bytesOfEntry(name: string, folder: string): Promise<number> {
  const entry = manifest.exports[name] as Face | { readonly import: Face; readonly require: Face };
  const faces = 'import' in entry ? [entry.import, entry.require] : [entry];
  const bytes = async (path: string): Promise<number> =>
    gzipSync(await readFile(join(copy.folder, folder, path))).byteLength;
  const own = Math.max(...(await Promise.all(faces.map((face) => bytes(face.default)))));
  const shared = name === '.' ? SHARED.map((file) => bytes(join('dist', file))) : [];
  return (await Promise.all(shared)).reduce((sum, each) => sum + each, own);
}

/** A documented size is a number of kB that the entry does not exceed, and at most a tenth and 1 kB above its real size. */
function isTrue(documented: number, bytes: number): boolean {
  return bytes <= documented * 1_000 && documented * 1_000 <= bytes * 1.1 + 1_000;
}

describe('npm', () => {
  let registry: EmptyRegistry;
  let refused: Output;
  let published: Output;
  const pages = async (): Promise<string[]> => Promise.all(PAGES.map((page) => copy.read(page)));
  let before: string[];
  let after: string[];

  const publish = (): Promise<Output> =>
    copy.run('npm', 'publish', '--dry-run', '--json', `--registry=${registry.url}`);

  /** Packs by `npm pack` with its scripts, and unpacks the archive into a folder. */
  const pack = async (folder: string): Promise<Listed> => {
    // The real build has run before `npm publish`. This one leaves a mark, so that the test sees that it was called.
    const scripts = { ...manifest.scripts, build: "node -e \"fs.appendFileSync('built', 'x')\"" };
    const { repository: address } = JSON.parse(await copy.read('package.json')) as {
      readonly repository?: object;
    };
    await copy.setManifest({ scripts, ...(address && { repository: address }) });
    const { stdout } = await copy.run('npm', 'pack', '--json');
    const listed = listedIn(stdout);
    await mkdir(join(copy.folder, folder));
    await copy.run('tar', '-xzf', listed.filename, '-C', folder, '--strip-components', '1');
    return listed;
  };

  beforeAll(async () => {
    [copy, registry] = await Promise.all([releaseCopy(true), emptyRegistry()]);
    await copy.dateTheEntry();
    before = await pages();
    refused = await publish();
    await copy.setManifest({ repository });
    published = await publish();
    after = await pages();
    // It builds the package, which takes minutes on a machine that does other work.
  }, 600_000);
  afterAll(async () => {
    registry.close();
    await copy.remove();
  });

  it('refuses to publish when package.json has no address of the repository', () => {
    expect(refused.isDone).toBe(false);
    expect(refused.stderr).toContain('npm pkg set repository.type=git');
    expect(refused.stdout).not.toContain('dist/');
  });

  it('publishes what it has built when package.json has the address, and leaves the pages as they were', () => {
    expect(published.isDone, published.stderr).toBe(true);
    const paths = listedIn(published.stdout).files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining([...PAGES, 'LICENSE', 'dist/core.cjs']));
    expect(after).toEqual(before);
    // A dry run reads from the registry, and writes nothing to it.
    expect(registry.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
  });

  it('packs the files that it publishes when it packs alone, with links that lead to the repository at the tag', async () => {
    const listed = await pack('with-address');

    expect(await copy.read('built')).toBe('x');
    const sizes = ({ files }: Listed): string[] =>
      files
        .filter(({ path }) => path !== 'package.json')
        .map(({ path, size }) => `${path} ${size}`);
    expect(sizes(listed)).toEqual(sizes(listedIn(published.stdout)));
    expect(await brokenLinks('with-address')).toEqual({ broken: [], looked: expect.any(Number) });
    expect(targetsOf(await copy.read('with-address/README.md')).join('\n')).not.toMatch(/^docs/m);
    expect(await pages()).toEqual(before);
  });

  it('packs links to packed files alone when package.json has no address of the repository', async () => {
    await copy.setManifest({});
    await pack('without-address');

    const { broken, looked } = await brokenLinks('without-address');
    expect(broken).toEqual([]);
    expect(looked).toBeGreaterThan(5);
    const readme = await copy.read('without-address/README.md');
    expect(readme).toContain('[changelog](CHANGELOG.md)');
    expect(readme).toContain('concepts (`docs/concepts.md`)');
    expect(await pages()).toEqual(before);
  });

  it('would pack links to nowhere when it packed the pages as they are', async () => {
    await mkdir(join(copy.folder, 'naive/docs'), { recursive: true });
    for (const page of PAGES) await copy.write(join('naive', page), await copy.read(page));

    expect((await brokenLinks('naive')).broken.length).toBeGreaterThan(40);
  });

  it('packs entries of the sizes that docs/versions.md shows', async () => {
    const rows = cellsOf(await copy.read('docs/versions.md'))
      .filter(([name]) => /^nestjs-two-factor(\/|$)/.test(name!))
      .map(([name, size]) => [name!.replace('nestjs-two-factor', '.'), Number.parseFloat(size!)]);
    const names = Object.keys(manifest.exports).filter((name) => name !== './package.json');
    const documented = new Map(rows as [string, number][]);
    const table = await Promise.all(
      names.map(async (name) => {
        const bytes = await bytesOfEntry(name, 'with-address');
        return {
          name,
          kilobytes: bytes / 1_000,
          documented: documented.get(name) ?? Number.NaN,
          bytes,
        };
      }),
    );
    process.stdout.write(
      table
        .map(({ name, kilobytes }) => `${name}: ${kilobytes.toFixed(1)} kB compressed\n`)
        .join(''),
    );

    expect([...documented.keys()]).toEqual(names);
    expect(table.filter((row) => !isTrue(row.documented, row.bytes))).toEqual([]);
    expect(documented.get('.')).toBeLessThanOrEqual(160);
    // The comparison finds a size that is too small, and one that is far too large.
    expect([isTrue(2, 2_001), isTrue(2, 2_000), isTrue(9, 5_000)]).toEqual([false, true, false]);
  });
});
