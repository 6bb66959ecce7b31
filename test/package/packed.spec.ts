import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { buildCopy, type PackageCopy, type Packed } from '../support/packed-package.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The whole archive. An application loads only the entries that it imports; `MAX_ROOT_BYTES` limits what all load. */
const MAX_BYTES = 400_000;
/** The code of the root entry, compressed: what every application loads, whatever it configures. */
const MAX_ROOT_BYTES = 160_000;
/** What loads a package that may be missing, for an entry that imports it statically. */
const OPTIONAL = ['adapters/phone/libphonenumber-js.cjs'];
/** What all entries share: the one copy, what brings it its packages, and how. */
const SHARED = ['core.cjs', 'packages.cjs', 'shared.cjs', 'shared.js'];

/** What a browser loads, compressed. */
const MAX_BROWSER_BYTES = {
  'client/index.js': 3_000,
  'client/element/index.js': 8_400,
  'client/texts/index.js': 7_000,
};

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

  it(`has a root entry of at most ${MAX_ROOT_BYTES / 1_000} kB of code`, async () => {
    const code = await Promise.all(
      ['index.cjs', ...SHARED].map((name) => readFile(join(built.folder, 'dist', name))),
    );
    const bytes = code.reduce((sum, text) => sum + gzipSync(text).byteLength, 0);
    process.stdout.write(`Root entry: ${(bytes / 1_000).toFixed(1)} kB compressed\n`);

    expect(bytes).toBeLessThanOrEqual(MAX_ROOT_BYTES);
  });

  it('has one file for each entry and each module format, and one copy of the code that they share', async () => {
    const { exports } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Entry | Entry['import']>;
    };
    const entries = Object.values(exports).filter((entry) => typeof entry === 'object');
    const faces = entries.flatMap((entry) =>
      'import' in entry ? [entry.import, entry.require] : [entry],
    );
    const code = [
      ...faces.map((face) => face.default.slice(2)),
      ...[...SHARED, ...OPTIONAL].map((name) => `dist/${name}`),
    ];

    expect(pathsOf(/\.c?js$/).toSorted()).toEqual(code.toSorted());
    expect(pathsOf(/\.d\.c?ts$/)).toEqual(
      expect.arrayContaining(faces.map(({ types }) => types.slice(2))),
    );
  });

  it('has small files for browsers, which import nothing but one another', async () => {
    for (const [path, most] of Object.entries(MAX_BROWSER_BYTES)) {
      const code = await readFile(join(built.folder, 'dist', path), 'utf8');
      const bytes = gzipSync(code, { level: 9 }).length;
      process.stdout.write(`${path}: ${bytes} bytes, compressed\n`);
      expect(bytes, path).toBeLessThanOrEqual(most);
      // A page without a bundler finds what is beside it, and no package by its name.
      const imports = [...code.matchAll(/(?:\bfrom|\bimport) ?\(?["'`]([^"'`]+)/g)];
      expect(imports.map(([, name]) => name)).toEqual(
        path.includes('element') ? ['../index.js'] : [],
      );
    }
  });

  it('has no declaration files but those that an entry imports', () => {
    expect(pathsOf(/\.d\.ts$/)).not.toContain('dist/migrations/create-table.d.ts');
    expect(pathsOf(/\.d\.ts$/)).toContain('dist/confirmation/confirmer.service.d.ts');
  });

  it('contains no type declarations of the SQL statements', () => {
    // A public class whose constructor is not marked as internal declares every provider that is injected into it.
    const internal = /^dist\/(database|confirmation\/store|limits\/store\/dialects)\/.*\.d\.ts$/;

    expect(pathsOf(internal)).toEqual([]);
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

  it('has source maps that lead from each thrown error to its line in the source', async () => {
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
      const adapters = await Promise.all([
        import('${load('adapters/bullmq/index.js')}'),
        import('${load('adapters/opentelemetry/index.js')}'),
        import('${load('adapters/terminus/index.js')}'),
      ]);
      let error;
      try { rateLimiterFlexibleStore({}); } catch (thrown) { error = thrown; }
      const refusal = await adapters[0].TwoFactorBullMqModule.forRoot({}).catch((thrown) => thrown);
      console.log(JSON.stringify({
        classes: Object.values(root).filter(isClass).length,
        renamed: renamed.map(([name]) => name),
        adapters: adapters.flatMap((adapter) => Object.values(adapter).map(({ name }) => name)),
        isOne: [error, refusal].every((each) => each instanceof root.TwoFactorConfigurationError),
      }));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: built.folder,
    });
    const { classes, ...rest } = JSON.parse(stdout) as { classes: number };

    expect(rest).toEqual({
      renamed: [],
      adapters: ['TwoFactorBullMqModule', 'TwoFactorMetricsModule', 'TwoFactorHealthIndicator'],
      isOne: true,
    });
    expect(classes).toBeGreaterThan(20);
  });
});
