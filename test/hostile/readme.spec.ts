import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
/** Prefix budgets, conversion breaker, countries: none of them exists. */
const OUT_OF_SCOPE = [26, 27, 28];

interface Row {
  readonly cases: string;
  readonly file: string;
  readonly title: string;
}

async function rowsOfReadme(): Promise<Row[]> {
  const text = await readFile(new URL('README.md', import.meta.url), 'utf8');
  return [...text.matchAll(/^\| (.+?) +\| `(test\/.+?)` +\| (.+?) +\|$/gm)].map(
    ([, cases = '', file = '', title = '']) => ({
      cases,
      file,
      title: title.replaceAll('\\|', '|'),
    }),
  );
}

async function sourceOf(file: string): Promise<string> {
  const source = await readFile(new URL(file, ROOT), 'utf8');
  return source.replaceAll("\\'", "'");
}

describe('The table of hostile cases', () => {
  it('names a test for every case from 1 to 97 that is not out of scope', async () => {
    const rows = await rowsOfReadme();
    const named = new Set(rows.map(({ cases }) => cases));
    const missing = Array.from({ length: 97 }, (_, at) => at + 1).filter(
      (number) => !named.has(String(number)) && !OUT_OF_SCOPE.includes(number),
    );

    expect(missing).toStrictEqual([]);
    for (const number of OUT_OF_SCOPE) expect(named).not.toContain(String(number));
  });

  it('names only tests that there are', async () => {
    const rows = await rowsOfReadme();
    const gone: Row[] = [];
    for (const row of rows) {
      const source = await sourceOf(row.file);
      const isThere = ["'", '"', '`'].some((quote) =>
        source.includes(`${quote}${row.title}${quote}`),
      );
      if (!isThere) gone.push(row);
    }

    expect(rows.length).toBeGreaterThan(97);
    expect(gone).toStrictEqual([]);
  });

  it('leaves out no numbered test of this folder', async () => {
    const rows = await rowsOfReadme();
    const folder = fileURLToPath(new URL('.', import.meta.url));
    const files = (await readdir(folder)).filter((name) => name.endsWith('.spec.ts'));
    const unnamed: string[] = [];
    for (const file of files) {
      const source = await sourceOf(`test/hostile/${file}`);
      for (const [, numbers = '', title = ''] of source.matchAll(
        /^ *(?:it\(|\]\)\(|\)\()?\s*['"]([1-9]\d?(?:, [1-9]\d?)*) (.+)['"],/gm,
      )) {
        for (const number of numbers.split(', ')) {
          const isNamed = rows.some(
            (row) => row.cases === number && row.title === `${numbers} ${title}`,
          );
          if (!isNamed) unnamed.push(`${number}: ${file}: ${title}`);
        }
      }
    }

    expect(files.length).toBeGreaterThan(8);
    expect(unnamed).toStrictEqual([]);
  });
});
