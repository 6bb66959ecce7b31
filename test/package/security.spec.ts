// Each clause that docs/security.md calls met names a test that exists, and no page of the repository links to a file that is gone.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const read = async (name: string): Promise<string> => readFile(new URL(name, ROOT), 'utf8');
const security = await read('docs/security.md');

describe('docs/security.md', () => {
  it('states for every clause whether it is met', () => {
    const clauses = security.slice(security.indexOf('## NIST')).split('\n');
    const rows = clauses.filter((line) => /^\| \d/.test(line));
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expect(row).toMatch(/\| (met|not met|yours|not ours)\s+\|/);
  });

  it('names a test that exists for every clause that is met', () => {
    const met = security.split('\n').filter((line) => /^\| \d.*\| met\s+\|/.test(line));
    expect(met.length).toBeGreaterThan(40);
    for (const row of met) {
      const paths = [...row.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path]) => path!);
      expect(paths, row).not.toEqual([]);
      for (const path of paths) expect(existsSync(new URL(path, ROOT)), path).toBe(true);
    }
  });

  it('links to the threats and the invariants, which have tests of their own', () => {
    expect(security).toContain('](./threats.md)');
    expect(security).toContain('](./invariants.md)');
  });
});

describe('Links between pages', () => {
  it('lead to files and headings that exist', async () => {
    const pages = execFileSync('git', ['ls-files', '-z', '*.md'], { cwd: fileURLToPath(ROOT) })
      .toString()
      .split('\0')
      .filter(Boolean);
    expect(pages.length).toBeGreaterThan(25);
    const dead = await Promise.all(pages.map(async (name) => deadLinksOf(name, await read(name))));
    expect(dead.flat()).toEqual([]);
  });

  it('are found dead when a page or a heading is gone', () => {
    const text =
      '[a](./gone.md) [b](./limits.md#in-redis) [c](./limits.md#gone) [d](https://example.com/)';
    expect(deadLinksOf('docs/guides/events.md', text)).toEqual([
      'docs/guides/events.md: ./gone.md',
      'docs/guides/events.md: ./limits.md#gone',
    ]);
  });
});

/** Links into the reference that `npm run docs` generates are checked by its build. */
const GENERATED = /(?:^|\/)reference\/(?:api|options|errors)/;

/** Links of a page to a file, or to a heading of a page, that does not exist. */
function deadLinksOf(name: string, text: string): string[] {
  return Array.from(text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g), ([, link]) => link!)
    .filter((link) => !GENERATED.test(link) && !isAlive(link, name, text))
    .map((link) => `${name}: ${link}`);
}

function isAlive(link: string, name: string, text: string): boolean {
  const [path, anchor] = link.split('#');
  const file = fileURLToPath(new URL(path === '' ? name : path!, new URL(name, ROOT)));
  if (path !== '' && !existsSync(file)) return false;
  if (anchor === undefined) return true;
  return anchorsOf(path === '' ? text : readFileSync(file, 'utf8')).has(anchor);
}

/** The anchors of a page's headings, as GitHub and VitePress make them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = Array.from(markdown.matchAll(/^#{1,6} (.+)$/gm), ([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
