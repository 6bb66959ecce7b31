import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));
const TEST = fileURLToPath(new URL('../', import.meta.url));
const MAX_FILE_LINES = 400;
const MAX_CLASS_LINES = 300;

/**
 * The files of tests that were too long before the rule was checked for them. This list only becomes shorter: a file leaves it when it
 * is split, and no file is added.
 */
const STILL_TOO_LONG: readonly string[] = [
  'e2e/failover.spec.ts',
];

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

/** Where the files of tests differ from the list: those that are too long and not on it, and those on it that are not too long. */
function differences(sizes: ReadonlyMap<string, number>): string[] {
  const tooLong = [...sizes].filter(([, lines]) => lines > MAX_FILE_LINES).map(([name]) => name);
  return [
    ...tooLong.filter((name) => !STILL_TOO_LONG.includes(name)).map((name) => `split ${name}`),
    ...STILL_TOO_LONG.filter((name) => !tooLong.includes(name)).map(
      (name) => `take ${name} off the list`,
    ),
  ];
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
  it(`have at most ${MAX_FILE_LINES} lines when they are not on a list that only becomes shorter`, async () => {
    const sizes = await sizesOfTests();

    expect(sizes.size).toBeGreaterThan(400);
    expect(differences(sizes)).toEqual([]);
  });

  it('would be found when a file of 401 lines were added, or a file of the list were split', async () => {
    const [split, ...others] = STILL_TOO_LONG;
    const planted = new Map(others.map((name) => [name, 401]));
    planted.set('e2e/planted.spec.ts', linesOf('// A line.\n'.repeat(401)));
    planted.set(split!, 400);

    expect(differences(planted)).toEqual([
      'split e2e/planted.spec.ts',
      `take ${split} off the list`,
    ]);
  });
});
