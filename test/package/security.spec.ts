// Each clause that docs/security.md calls met names a test that exists, and no page of the repository links to a file that is gone.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  it('lead to files that exist', async () => {
    const pages = execFileSync('git', ['ls-files', '-z', '*.md'], { cwd: fileURLToPath(ROOT) })
      .toString()
      .split('\0')
      .filter(Boolean);
    expect(pages.length).toBeGreaterThan(25);
    const dead = await Promise.all(pages.map(async (name) => deadLinksOf(name, await read(name))));
    expect(dead.flat()).toEqual([]);
  });

  it('twin: a link to a page that is gone is found', () => {
    const text = '[a](./gone.md) [b](./limits.md#x) [c](https://example.com/) [d](#here)';
    expect(deadLinksOf('docs/guides/events.md', text)).toEqual([
      'docs/guides/events.md: ./gone.md',
    ]);
  });
});

/** Links into the reference that `npm run docs` generates are checked by its build. */
const GENERATED = /(?:^|\/)reference\/(?:api|options|errors)/;

function deadLinksOf(name: string, text: string): string[] {
  const links = Array.from(
    text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g),
    ([, link]) => link!,
  );
  return links
    .filter((link) => !GENERATED.test(link))
    .filter((link) => !existsSync(fileURLToPath(new URL(link, new URL(name, ROOT)))))
    .map((link) => `${name}: ${link}`);
}
