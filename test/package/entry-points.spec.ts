import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIB = join(ROOT, 'lib');

/** From the ground up: a room imports only rooms that stand before it. */
const ROOMS = [
  'with-timeout.ts',
  'errors',
  'crypto',
  'options',
  'two-factor.tokens.ts',
  'events',
  'database',
  'limits',
  'confirmation',
  'sender',
  'delivery',
  'request',
  'http',
  'migrations',
  'backends',
  'adapters',
  'two-factor.module-definition.ts',
  'two-factor.module.ts',
  'testing',
  'index.ts',
];

interface Face {
  readonly types: string;
  readonly default: string;
}

interface Manifest {
  exports: Record<string, string | Record<'module-sync' | 'import' | 'require', Face>>;
  typesVersions: { '*': Record<string, string[]> };
  dependencies?: object;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional?: boolean }>;
}

const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;

async function importsOf(file: string): Promise<string[]> {
  const { importedFiles } = ts.preProcessFile(await readFile(file, 'utf8'));
  return importedFiles.map(({ fileName }) => fileName);
}

const pathOf = (file: string, specifier: string): string =>
  resolve(dirname(file), specifier).replace(/\.js$/, '.ts');

/** Every package that importing a file brings in. */
async function packagesBehind(entry: string): Promise<Set<string>> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of await importsOf(file)) {
      if (specifier.startsWith('.')) await visit(pathOf(file, specifier));
      else if (!specifier.startsWith('node:')) {
        packages.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      }
    }
  };
  await visit(join(LIB, entry));
  return packages;
}

describe('The package', () => {
  it('has no dependencies beside its peers', () => {
    expect(manifest.dependencies).toBeUndefined();
  });

  it('reaches every peer that is not optional, and nothing else, from its root entry', async () => {
    const required = Object.keys(manifest.peerDependencies).filter(
      (name) => manifest.peerDependenciesMeta[name]?.optional !== true,
    );

    expect([...(await packagesBehind('index.ts'))].toSorted()).toEqual(required.toSorted());
  });

  it('is the same ES module for import and require, and a CommonJS one where that is not understood', () => {
    const entries = Object.entries(manifest.exports).filter(([path]) => path !== './package.json');
    for (const [path, entry] of entries) {
      const base = typeof entry === 'string' ? entry : entry.import.default.replace(/\.js$/, '');
      const face = { types: `${base}.d.ts`, default: `${base}.js` };
      // The order counts: the first condition that is understood is taken.
      expect(Object.entries(entry), path).toEqual([
        ['module-sync', face],
        ['import', face],
        ['require', { types: `${base}.d.cts`, default: `${base}.cjs` }],
      ]);
    }
  });

  it.each([
    ['nodemailer', './backends/email'],
    ['@nestjs/event-emitter', './event-emitter'],
    ['libphonenumber-js', './phone'],
    ['rate-limiter-flexible', './rate-limiter-flexible'],
  ])('reaches %s, which is optional, from %s alone', async (name, subpath) => {
    const reaching: string[] = [];
    for (const [path, entry] of Object.entries(manifest.exports)) {
      if (typeof entry === 'string') continue;
      const file = entry.import.default.replace('./dist/', '').replace(/js$/, 'ts');
      if ((await packagesBehind(file)).has(name)) reaching.push(path);
      if (path === '.') continue;
      // For consumers that do not read `exports`.
      expect(manifest.typesVersions['*'][path.slice(2)]).toEqual([entry.import.types]);
    }

    expect(reaching).toEqual([subpath]);
    expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  });

  it('imports only downwards, and never its own index', async () => {
    const files = (await readdir(LIB, { recursive: true })).filter((name) => name.endsWith('.ts'));
    const rank = (path: string): number =>
      ROOMS.findIndex((room) => path === room || path.startsWith(`${room}/`));
    const upwards: string[] = [];
    for (const name of files) {
      const file = join(LIB, name);
      for (const specifier of await importsOf(file)) {
        if (!specifier.startsWith('.')) continue;
        const target = relative(LIB, pathOf(file, specifier));
        if (rank(target) > rank(name) || target === 'index.ts')
          upwards.push(`${name} -> ${target}`);
      }
      expect(rank(name), name).toBeGreaterThanOrEqual(0);
    }

    expect(files.length).toBeGreaterThan(50);
    expect(upwards).toEqual([]);
  });
});
