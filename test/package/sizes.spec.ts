import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));
const TEST = fileURLToPath(new URL('../', import.meta.url));
const MAX_FILE_LINES = 400;
const MAX_CLASS_LINES = 300;

interface Sizes {
  readonly files: ReadonlyMap<string, number>;
  readonly classes: ReadonlyMap<string, number>;
}

function classLines(text: string): Map<string, number> {
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const found = new Map<string, number>();
  source.forEachChild((node) => {
    if (!ts.isClassDeclaration(node)) return;
    found.set(node.name?.text ?? '', lineOf(node.end) - lineOf(node.getStart()) + 1);
  });
  return found;
}

async function sizesOfLib(): Promise<Sizes> {
  const files = new Map<string, number>();
  const classes = new Map<string, number>();
  for (const name of await readdir(LIB, { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    const text = await readFile(join(LIB, name), 'utf8');
    files.set(name, linesOf(text));
    for (const [type, lines] of classLines(text)) classes.set(`${name} ${type}`, lines);
  }
  return { files, classes };
}

const linesOf = (text: string): number => text.split('\n').length - 1;

/** The lines of each file of tests, without what is installed beside them. */
async function sizesOfTests(): Promise<Map<string, number>> {
  const names = (await readdir(TEST, { recursive: true })).filter(
    (name) => /\.[jt]s$/.test(name) && !name.includes('node_modules'),
  );
  const sizes = names.map(async (name) => {
    return [name, linesOf(await readFile(join(TEST, name), 'utf8'))] as const;
  });
  return new Map(await Promise.all(sizes));
}

const above = (sizes: ReadonlyMap<string, number>, most: number): string[] =>
  [...sizes].filter(([, lines]) => lines > most).map(([name, lines]) => `${name}: ${lines} lines`);

describe('The files of lib', () => {
  it(`have at most ${MAX_FILE_LINES} lines, and their classes at most ${MAX_CLASS_LINES}`, async () => {
    const { files, classes } = await sizesOfLib();

    expect(files.size).toBeGreaterThan(100);
    expect(classes.size).toBeGreaterThan(50);
    expect(above(files, MAX_FILE_LINES)).toEqual([]);
    expect(above(classes, MAX_CLASS_LINES)).toEqual([]);
  });

  it('would be found too long when a class of 301 lines were planted', () => {
    const planted = `export class Planted {\n${'  // A line.\n'.repeat(299)}}\n`;

    expect(above(classLines(planted), MAX_CLASS_LINES)).toEqual(['Planted: 301 lines']);
  });
});

describe('The files of tests', () => {
  it(`have at most ${MAX_FILE_LINES} lines`, async () => {
    const sizes = await sizesOfTests();

    expect(sizes.size).toBeGreaterThan(400);
    expect(above(sizes, MAX_FILE_LINES)).toEqual([]);
  });

  it('would be found when a file of 401 lines were added', () => {
    const planted = new Map([
      ['e2e/planted.spec.ts', linesOf('// A line.\n'.repeat(401))],
      ['e2e/other.spec.ts', 400],
    ]);
    expect(above(planted, MAX_FILE_LINES)).toEqual(['e2e/planted.spec.ts: 401 lines']);
  });
});
