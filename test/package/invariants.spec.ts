// A number that a test or a page cites means something only when docs/invariants.md defines it, and a promise holds only as long
// as its test exists.
import { execFileSync } from 'node:child_process';
import { readFile, stat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { missingPaths, namedPaths, numberedSections } from '../support/named-paths.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CITATION = /\bI[1-9]\d?\b/g;
/** The first numbers are cited by the tests that prove them; later ones are cited by pages alone. */
const CITED_BY_TESTS = 15;

const page = await readFile(join(ROOT, 'docs/invariants.md'), 'utf8');
const invariants = numberedSections(page);

/** The numbers that a text cites and that the page does not define. */
function undefinedIn(text: string): string[] {
  return [...new Set(text.match(CITATION))].filter((number) => !invariants.has(number));
}

/** The text of a file, or of all files below a folder. */
async function textBelow(path: string): Promise<string> {
  const full = join(ROOT, path);
  if (!(await stat(full)).isDirectory()) return readFile(full, 'utf8');
  const names = (await readdir(full, { recursive: true })).filter((name) =>
    /\.(ts|js)$/.test(name),
  );
  return (await Promise.all(names.map((name) => readFile(join(full, name), 'utf8')))).join('\n');
}

describe('docs/invariants.md', () => {
  it('numbers its invariants from I1 on without a gap', () => {
    const numbers = [...invariants.keys()];
    expect(numbers).toEqual(numbers.map((_, index) => `I${index + 1}`));
    expect(numbers.length).toBeGreaterThan(CITED_BY_TESTS);
  });

  it('gives each invariant one sentence, a reason, a defence and a test that exists', () => {
    for (const [number, section] of invariants) {
      const [sentence, why, defence, tests] = [
        /^\*\*[^*]+\*\*$/m,
        /^- Why: \S/m,
        /^- Defence: \S/m,
        /^- Tests: [\s\S]*/m,
      ].map((pattern) => pattern.exec(section)?.[0]);
      expect({ sentence, why, defence }, number).toEqual({
        sentence: expect.any(String) as string,
        why: expect.any(String) as string,
        defence: expect.any(String) as string,
      });
      expect(namedPaths(tests ?? '', 'test'), number).not.toEqual([]);
    }
  });

  it('names only tests that exist', () => {
    expect(missingPaths(namedPaths(page, 'test'))).toEqual([]);
  });

  it('names for each of the first invariants a test that cites its number', async () => {
    for (const [number, section] of [...invariants].slice(0, CITED_BY_TESTS)) {
      const tests = namedPaths(section, 'test');
      const texts = await Promise.all(tests.map((path) => textBelow(path)));
      const citing = texts.filter((text) => text.match(CITATION)?.includes(number));
      expect(citing, number).not.toEqual([]);
    }
  });

  it('defines every number that the repository cites', async () => {
    const files = execFileSync('git', ['ls-files', '-z', '*.ts', '*.js', '*.md'], { cwd: ROOT })
      .toString()
      .split('\0')
      .filter(Boolean);
    const texts = await Promise.all(
      files.map(async (file) => [file, await readFile(join(ROOT, file), 'utf8')] as const),
    );
    const undefinedNumbers = texts.flatMap(([file, text]) =>
      undefinedIn(text).map((number) => `${file}: ${number}`),
    );
    expect(undefinedNumbers).toEqual([]);
  });

  it('is found incomplete when a test names a number beyond its last one, or a file that is gone', () => {
    const beyond = `I${invariants.size + 1}`;
    expect(undefinedIn(`// ${beyond}: whatever`)).toEqual([beyond]);
    expect(
      missingPaths(namedPaths('`test/engines/races.spec.ts`, `test/gone.spec.ts`', 'test')),
    ).toEqual(['test/gone.spec.ts']);
  });
});
