// What `docs/security.md` names must be there: a promise with a test that is gone is none.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const read = async (name: string): Promise<string> => readFile(new URL(name, ROOT), 'utf8');
const security = await read('docs/security.md');

describe('docs/security.md', () => {
  it('names a test that exists for every promise', () => {
    const promises = /## What is promised[\s\S]*?\n## /.exec(security)?.[0] ?? '';
    const rows = promises
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2);
    expect(rows.length).toBeGreaterThan(12);
    for (const row of rows) {
      const paths = [...row.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path]) => path!);
      expect(paths, row).not.toEqual([]);
      for (const path of paths) expect(existsSync(new URL(path, ROOT)), path).toBe(true);
    }
  });

  it('says of every clause whether it is met', () => {
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

  it('names a test that exists for every party that may want to do harm', () => {
    const table = /## Who can do what[\s\S]*?\n## /.exec(security)?.[0] ?? '';
    const rows = table
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2);
    expect(rows.length).toBeGreaterThan(12);
    for (const row of rows) {
      const paths = [...row.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path]) => path!);
      expect(paths, row).not.toEqual([]);
      for (const path of paths) expect(existsSync(new URL(path, ROOT)), path).toBe(true);
    }
  });

  it('says of every numbered invariant how it is proved', () => {
    for (let number = 1; number <= 15; number += 1) {
      expect(security, `I${number}`).toMatch(new RegExp(`\\bI${number}\\b`));
    }
  });

  it.each(['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'docs/security.md'])(
    'and its neighbours: the links of %s lead somewhere',
    async (name) => {
      const links = [...(await read(name)).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)];
      for (const [, target] of links) {
        const path = fileURLToPath(new URL(target!, new URL(name, ROOT)));
        expect(existsSync(path), target).toBe(true);
      }
    },
  );
});
