// Threat: a regular expression that a text can make slow comes back into lib/ or sample-app/. `npm run lint` runs the
// checker; here it is shown that it would find one.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

const CHECKER = fileURLToPath(new URL('regular-expressions.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Report {
  readonly exitCode: number;
  readonly complaints: readonly string[];
}

let folder = '';

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs the checker on a folder that has these files. */
async function check(files: Readonly<Record<string, string>>): Promise<Report> {
  folder = await mkdtemp(join(tmpdir(), 'regular-expressions-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const { exitCode, complaints } = await checkFolders(folder);
  return { exitCode, complaints: complaints.map((each) => each.replace(`${folder}/`, '')) };
}

function checkFolders(...folders: readonly string[]): Promise<Report> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHECKER, ...folders], { cwd: ROOT }, (error, _, stderr) => {
      const complaints = stderr.split('\n').filter(Boolean);
      resolve({ exitCode: error === null ? 0 : Number(error.code), complaints });
    });
  });
}

/** The place and the first words of each complaint. */
function short({ complaints }: Report): string[] {
  return complaints
    .map((complaint) => complaint.replace(/( time,| linear|run time|of a string).*/, '$1'))
    .toSorted();
}

const MADE = [
  'new RegExp(token)',
  'RegExp(token, "i")',
  'new RegExp(`${token}+`)',
  'new RegExp("a+")',
  'new globalThis.RegExp(token)',
  'Reflect.construct(RegExp, [token])',
  'text.match(token)',
  'text.matchAll(`${token}`)',
  'text.search("(" + token)',
  'Matches("^(a+)+$")',
];

describe('The checker of regular expressions', () => {
  it('names file and line when a literal is not linear', async () => {
    const report = await check({
      'server/token.ts': [
        'export const LINEAR = /^[a-z]+$/;',
        '',
        'export const DOTS = /[.\\u3002]+$/;',
      ].join('\n'),
      'page.js': 'const isName = (text) => /^(?:[a-z]+-?)+$/i.test(text);',
      'blanks.mts': 'text.replace(/^a\\s*b?\\s*$/, "");',
    });

    expect(short(report)).toEqual([
      'blanks.mts:1 /^a\\s*b?\\s*$/ takes 2nd degree polynomial time,',
      'page.js:1 /^(?:[a-z]+-?)+$/i takes exponential time,',
      'server/token.ts:3 /[.\\u3002]+$/ takes 2nd degree polynomial time,',
    ]);
    expect(report.exitCode).toBe(1);
  });

  it('refuses a literal that cannot be proved linear', async () => {
    const report = await check({ 'back.ts': 'export const TWICE = /^(a+)-\\1$/;' });

    expect(short(report)).toEqual(['back.ts:1 /^(a+)-\\1$/ cannot be proved linear']);
    expect(report.exitCode).toBe(1);
  });

  it('refuses every expression that is made at run time', async () => {
    const report = await check({ 'made.ts': MADE.join(';\n') });

    expect(report.complaints.map((complaint) => complaint.split(' ')[0])).toEqual(
      MADE.map((_, index) => `made.ts:${index + 1}`),
    );
    for (const complaint of report.complaints)
      expect(complaint).toMatch(/ (makes|may make) a regular expression /);
    expect(report.exitCode).toBe(1);
  });

  it('passes what is linear, and what only speaks of expressions', async () => {
    const report = await check({
      'names.ts': 'export const NAME = /^[a-z][a-z0-9-]{0,63}$/;',
      'uses.ts': [
        'import { NAME } from "./names.js";',
        'const isExpression = (value: unknown): value is RegExp => value instanceof RegExp;',
        'text.match(NAME); text.match(/[0-9]+/); Matches(NAME); isExpression("RegExp");',
      ].join('\n'),
      // Not ours, and built from what is checked.
      'node_modules/a/index.js': 'new RegExp(token);',
    });

    expect(report).toEqual({ exitCode: 0, complaints: [] });
  });

  it('finds nothing in lib and sample-app', async () => {
    expect(await checkFolders('lib', 'sample-app')).toEqual({ exitCode: 0, complaints: [] });
  });

  it('fails when it has nothing to check', async () => {
    expect((await check({})).exitCode).toBe(1);
  });

  it('is a part of npm run lint, for the library and the sample application', async () => {
    folder = await mkdtemp(join(tmpdir(), 'regular-expressions-'));
    const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['lint']?.split(' && ')).toContain(
      'node test/lint/regular-expressions.js lib sample-app',
    );
    expect(await readFile(join(ROOT, '.ci/run'), 'utf8')).toContain("lane 'npm run lint'");
  });
});
