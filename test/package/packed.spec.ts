// What is published is built and packed as it is for the registry, in a copy: the `dist` of everybody else stays as it is.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAX_BYTES = 150_000;
const PARTS = ['lib', 'docs', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'build.js'];

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

const run = promisify(execFile);
let copy: string;
let packed: Packed;

beforeAll(async () => {
  // Inside of the repository, where its node_modules are found.
  await mkdir(join(ROOT, '.tmp'), { recursive: true });
  copy = await mkdtemp(join(ROOT, '.tmp/packed-'));
  const texts = (await readdir(ROOT)).filter((name) => /\.md$|^LICENSE$/.test(name));
  for (const part of [...PARTS, ...texts]) {
    await cp(join(ROOT, part), join(copy, part), { recursive: true });
  }
  await run('npm', ['run', 'build'], { cwd: copy });
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: copy,
  });
  // A list, or since npm 12 an object by name.
  packed = Object.values(JSON.parse(stdout) as Record<string, Packed>)[0]!;
});
afterAll(() => rm(copy, { recursive: true, force: true }));

const pathsOf = (ending: RegExp): string[] =>
  packed.files.map(({ path }) => path).filter((path) => ending.test(path));

describe('The package, packed', () => {
  it(`is at most ${MAX_BYTES / 1_000} kB`, () => {
    const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
    const { size, unpackedSize, files } = packed;
    process.stdout.write(
      `Packed: ${kilobytes(size)}, unpacked ${kilobytes(unpackedSize)} in ${files.length} files\n`,
    );

    expect(size).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('has one file of code for each entry and one for what they share, each with its map', async () => {
    const { exports } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { default: string; types: string }>;
    };
    const entries = Object.values(exports).filter((entry) => typeof entry === 'object');
    const code = [...entries.map((entry) => entry.default.slice(2)), 'dist/shared.js'].toSorted();

    expect(pathsOf(/\.js$/).toSorted()).toEqual(code);
    expect(pathsOf(/\.js\.map$/).toSorted()).toEqual(code.map((path) => `${path}.map`));
    expect(pathsOf(/\.d\.ts$/)).toEqual(
      expect.arrayContaining(entries.map((entry) => entry.types.slice(2))),
    );
  });

  it('has its documentation in its declarations', async () => {
    const declared = await readFile(join(copy, 'dist/confirmation/confirmer.service.d.ts'), 'utf8');
    const source = await readFile(join(ROOT, 'lib/confirmation/confirmer.service.ts'), 'utf8');
    const [example] = /@example[\s\S]+?```\n/.exec(source) ?? [''];

    expect(example).not.toBe('');
    expect(declared).toContain(example);
  });

  it('leads from each line of its code to the line of its source', async () => {
    let found = 0;
    for (const path of pathsOf(/\.js$/)) {
      const code = await readFile(join(copy, path), 'utf8');
      const payload = JSON.parse(
        await readFile(join(copy, `${path}.map`), 'utf8'),
      ) as SourceMapPayload;
      const map = new SourceMap(payload);
      for (const [line, text] of code.split('\n').entries()) {
        // What is thrown is what one looks for.
        if (!text.trimStart().startsWith('throw new ')) continue;
        const entry = map.findEntry(line, text.length);
        if (!('originalSource' in entry)) throw new Error(`${path}:${line + 1} leads nowhere.`);
        const source = await readFile(join(copy, path, '..', entry.originalSource), 'utf8');
        expect(source.split('\n')[entry.originalLine]).toMatch(/\bthrow\b/);
        found += 1;
      }
    }

    expect(found).toBeGreaterThan(25);
  });

  it('leaves its classes their names, and is one copy for all entries', async () => {
    const load = (path: string): string => pathToFileURL(join(copy, 'dist', path)).href;
    const script = `
      const root = await import('${load('index.js')}');
      const { rateLimiterFlexibleStore } = await import('${load('adapters/rate-limiter-flexible/index.js')}');
      const isClass = (value) => typeof value === 'function' && String(value).startsWith('class');
      const renamed = Object.entries(root).filter(([name, value]) => isClass(value) && value.name !== name);
      let error;
      try { rateLimiterFlexibleStore({}); } catch (thrown) { error = thrown; }
      console.log(JSON.stringify({
        classes: Object.values(root).filter(isClass).length,
        renamed: renamed.map(([name]) => name),
        isOne: error instanceof root.TwoFactorConfigurationError,
      }));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: copy,
    });
    const { classes, ...rest } = JSON.parse(stdout) as { classes: number };

    expect(rest).toEqual({ renamed: [], isOne: true });
    expect(classes).toBeGreaterThan(20);
  });
});
