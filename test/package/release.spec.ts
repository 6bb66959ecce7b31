// What `npm publish` would publish: nothing without the address of the repository, and pages whose links all lead somewhere.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const PAGES = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/security.md'];
const REPOSITORY = 'https://git.example/acme/nestjs-two-factor';
const PARTS = [
  ...PAGES,
  'CONTRIBUTING.md',
  'LICENSE',
  'package.json',
  'build',
  'docs',
  'sample-app',
];

interface Manifest {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
}

let folder: string;
let manifest: Manifest;

beforeEach(async () => {
  await mkdir(join(ROOT, '.tmp'), { recursive: true });
  folder = await mkdtemp(join(ROOT, '.tmp/release-'));
  for (const part of PARTS) {
    await cp(join(ROOT, part), join(folder, part), {
      recursive: true,
      filter: (path) => !/node_modules|\.vitepress/.test(path),
    });
  }
  manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = (path: string): Promise<string> => readFile(join(folder, path), 'utf8');

async function release(): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, ['build/release.js'], {
    cwd: folder,
  }).catch((error: unknown) => error as { stdout: string; stderr: string });
  return stdout + stderr;
}

async function setRepository(url: string): Promise<void> {
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ ...manifest, repository: { url } }),
  );
}

async function dateTheEntry(): Promise<void> {
  const text = await read('CHANGELOG.md');
  const heading = new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')} .*$`, 'm');
  await writeFile(
    join(folder, 'CHANGELOG.md'),
    text.replace(heading, `## ${manifest.version} (2026-12-01)`),
  );
}

/** What a page links to and shows. */
const targetsOf = (text: string): string[] =>
  [...text.matchAll(/(?:\]\(| src=")([^)"\s]+)/g)].map(([, target]) => target!);

describe('A release', () => {
  it('is refused without the address of the repository, and runs before each npm publish', async () => {
    expect(manifest.scripts['prepublishOnly']).toBe('node build/release.js');
    await dateTheEntry();
    expect(await release()).toMatch(
      /^Not published: package\.json has no address of the repository/,
    );
    await setRepository('https://git.example/');
    expect(await release()).toContain('npm pkg set');
    expect(await read('README.md')).toBe(await readFile(join(ROOT, 'README.md'), 'utf8'));
  });

  it('is refused without a dated entry in the changelog', async () => {
    await setRepository(`git+${REPOSITORY}.git`);
    const text = await read('CHANGELOG.md');
    await writeFile(
      join(folder, 'CHANGELOG.md'),
      text.replace(/^## .*$/m, '## 0.0.9 (2026-01-01)'),
    );
    expect(await release()).toContain(`no dated entry of ${manifest.version}`);
  });

  it('has pages whose links lead to files of the repository at the tag', async () => {
    await setRepository(`git+${REPOSITORY}.git`);
    await dateTheEntry();
    expect(await release()).toContain(`lead to ${REPOSITORY}`);
    let found = 0;
    for (const page of PAGES) {
      for (const target of targetsOf(await read(page))) {
        if (target.startsWith('#')) continue;
        expect(target, page).toMatch(/^https?:/);
        if (!target.startsWith(REPOSITORY)) continue;
        const [, kind, tag, path] =
          /^\/(blob|raw|tree)\/([^/]+)\/([^#]+)/.exec(target.slice(REPOSITORY.length)) ?? [];
        expect([tag, existsSync(join(ROOT, path ?? '?'))], target).toEqual([
          `v${manifest.version}`,
          true,
        ]);
        expect(kind === 'raw', target).toBe((path ?? '').endsWith('.png'));
        found += 1;
      }
    }
    expect(found).toBeGreaterThan(40);
  });

  it('is refused for a link that leads nowhere', async () => {
    await setRepository(`git+${REPOSITORY}.git`);
    await dateTheEntry();
    await writeFile(join(folder, 'SECURITY.md'), '[gone](docs/gone.md)');
    expect(await release()).toContain('links to docs/gone.md, which does not exist');
  });
});
