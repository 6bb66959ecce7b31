// A defence against an attacker holds only as long as its test exists, and every attacker has the same six entries.
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { disclosureTable, documentedRoutes } from '../support/disclosure-table.js';
import { missingPaths, namedPaths, numberedSections } from '../support/named-paths.js';

const read = (name: string): Promise<string> =>
  readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
const page = await read('docs/threats.md');
const threats = numberedSections(page);

describe('docs/threats.md', () => {
  it('numbers its threats from T1 on without a gap', () => {
    const numbers = [...threats.keys()];
    expect(numbers).toEqual(numbers.map((_, index) => `T${index + 1}`));
    expect(numbers.length).toBeGreaterThan(15);
  });

  it('gives each threat an attacker, an asset, a bound, whom it denies, a defence and a test', () => {
    for (const [number, section] of threats) {
      const entries = Array.from(section.matchAll(/^- ([A-Z][a-z ]+): \S/gm), ([, entry]) => entry);
      expect(entries, number).toEqual([
        'Attacker',
        'Asset',
        'At most',
        'Denies',
        'Defence',
        'Tests',
      ]);
      const tests = /^- Tests: [\s\S]*/m.exec(section)?.[0] ?? '';
      expect(namedPaths(tests, 'test'), number).not.toEqual([]);
    }
  });

  it('says of each documented route what an anonymous client sees of the methods of a person, and why', async () => {
    const table = await disclosureTable();
    const routes = table.map(({ route }) => route);

    expect(new Set(routes).size).toBe(routes.length);
    expect(routes).toEqual(expect.arrayContaining(await documentedRoutes()));
    for (const { route, answers, reason, test } of table) {
      expect(answers, route).not.toEqual([]);
      expect(reason.length, route).toBeGreaterThan(7);
      expect(test, route).toMatch(/^test\/(?:e2e|sample-app)\/disclosed-methods\.spec\.ts$/);
    }
  });

  it('names only tests that exist', () => {
    expect(missingPaths(namedPaths(page, 'test'))).toEqual([]);
  });
});
