import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { buildCopy, type PackageCopy, type Packed } from '../support/packed-package.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** 187 kB with the declared details, the reservation of proofs, the estimate of secrets and the answers of mail servers. */
const MAX_BYTES = 190_000;
/** What all entries share: the one copy, what brings it its packages, and how. */
const SHARED = ['core.cjs', 'packages.cjs', 'shared.cjs', 'shared.js'];

interface Entry {
  readonly import: { readonly default: string; readonly types: string };
  readonly require: { readonly default: string; readonly types: string };
}

const run = promisify(execFile);
let built: PackageCopy;
let packed: Packed;

beforeAll(async () => {
  built = await buildCopy();
  packed = await built.pack();
});
afterAll(() => built.remove());

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

  it('has one file of code for each entry and each way to load it, and one copy of what they share', async () => {
    const { exports } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Entry>;
    };
    const entries = Object.values(exports).filter((entry) => typeof entry === 'object');
    const faces = entries.flatMap((entry) => [entry.import, entry.require]);
    const code = [
      ...faces.map((face) => face.default.slice(2)),
      ...SHARED.map((name) => `dist/${name}`),
    ];

    expect(pathsOf(/\.c?js$/).toSorted()).toEqual(code.toSorted());
    expect(pathsOf(/\.d\.c?ts$/)).toEqual(
      expect.arrayContaining(faces.map(({ types }) => types.slice(2))),
    );
  });

  it('has no declarations that no entry leads to', () => {
    expect(pathsOf(/\.d\.ts$/)).not.toContain('dist/migrations/create-table.d.ts');
    expect(pathsOf(/\.d\.ts$/)).toContain('dist/confirmation/confirmer.service.d.ts');
  });

  it('has its documentation in its declarations', async () => {
    const declared = await readFile(
      join(built.folder, 'dist/confirmation/confirmer.service.d.ts'),
      'utf8',
    );
    const source = await readFile(join(ROOT, 'lib/confirmation/confirmer.service.ts'), 'utf8');
    const [example] = /@example[\s\S]+?```\n/.exec(source) ?? [''];

    expect(example).not.toBe('');
    expect(declared).toContain(example);
  });

  it('leads from each line of its code to the line of its source', async () => {
    let found = 0;
    for (const path of pathsOf(/\.c?js$/)) {
      const code = await readFile(join(built.folder, path), 'utf8');
      if (!code.includes('throw new ')) continue;
      const payload = JSON.parse(
        await readFile(join(built.folder, `${path}.map`), 'utf8'),
      ) as SourceMapPayload;
      const map = new SourceMap(payload);
      for (const [line, text] of code.split('\n').entries()) {
        // What is thrown is what one looks for.
        if (!text.trimStart().startsWith('throw new ')) continue;
        const entry = map.findEntry(line, text.length);
        if (!('originalSource' in entry)) throw new Error(`${path}:${line + 1} leads nowhere.`);
        const source = await readFile(join(built.folder, path, '..', entry.originalSource), 'utf8');
        expect(source.split('\n')[entry.originalLine]).toMatch(/\bthrow\b/);
        found += 1;
      }
    }

    expect(found).toBeGreaterThan(25);
  });

  it('leaves its classes their names, and is one copy for all entries', async () => {
    const load = (path: string): string => pathToFileURL(join(built.folder, 'dist', path)).href;
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
      cwd: built.folder,
    });
    const { classes, ...rest } = JSON.parse(stdout) as { classes: number };

    expect(rest).toEqual({ renamed: [], isOne: true });
    expect(classes).toBeGreaterThan(20);
  });
});
