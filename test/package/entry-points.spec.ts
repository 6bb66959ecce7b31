import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { ROOMS } from '../support/rooms.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIB = join(ROOT, 'lib');

interface Face {
  readonly types: string;
  readonly default: string;
}

interface Manifest {
  exports: Record<string, string | Face | Record<'module-sync' | 'import' | 'require', Face>>;
  typesVersions: { '*': Record<string, string[]> };
  sideEffects: unknown;
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

/** Entries for browsers are ES modules alone. */
const IN_BROWSERS = new Set(['./client', './client/element', './client/texts']);

/** The ES module of an entry. */
function fileOf(entry: Manifest['exports'][string]): string | null {
  if (typeof entry === 'string') return null;
  return 'import' in entry ? entry.import.default : entry.default;
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

  it('loads the same ES module by import and by require, and a CommonJS one where require cannot load ES modules', () => {
    const entries = Object.entries(manifest.exports).filter(
      ([path]) => path !== './package.json' && !IN_BROWSERS.has(path),
    );
    for (const [path, entry] of entries) {
      const base = fileOf(entry)?.replace(/\.js$/, '') ?? '';
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
    ['@aws-sdk/client-sns', './aws-sns'],
    ['@nestjs/event-emitter', './event-emitter'],
    ['libphonenumber-js', './phone'],
    ['rate-limiter-flexible', './rate-limiter-flexible'],
    ['@simplewebauthn/server', './passkeys'],
    ['@nestjs/bullmq', './bullmq'],
    ['bullmq', './bullmq'],
    ['@nestjs/terminus', './terminus'],
    ['@opentelemetry/api', './opentelemetry'],
  ])('reaches %s, which is optional, from %s alone', async (name, subpath) => {
    const reaching: string[] = [];
    for (const [path, entry] of Object.entries(manifest.exports)) {
      const dist = fileOf(entry);
      if (dist === null) continue;
      const file = dist.replace('./dist/', '').replace(/js$/, 'ts');
      if ((await packagesBehind(file)).has(name)) reaching.push(path);
      if (path === '.') continue;
      // For consumers that do not read `exports`.
      expect(manifest.typesVersions['*'][path.slice(2)]).toEqual([dist.replace(/js$/, 'd.ts')]);
    }

    expect(reaching).toEqual([subpath]);
    expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  });

  it('brings no package, and nothing of the server, into a browser', async () => {
    for (const path of IN_BROWSERS) {
      const base = `./dist${path.slice(1)}/index`;
      expect(manifest.exports[path]).toEqual({ types: `${base}.d.ts`, default: `${base}.js` });
      expect([...(await packagesBehind(`${path.slice(2)}/index.ts`))]).toEqual([]);
    }
    const files = (await readdir(join(LIB, 'client'), { recursive: true }))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(LIB, 'client', name));
    const outside: string[] = [];
    for (const file of files) {
      for (const specifier of await importsOf(file)) {
        const target = relative(join(LIB, 'client'), pathOf(file, specifier));
        if (!specifier.startsWith('.') || target.startsWith('..')) outside.push(specifier);
      }
    }

    expect(files.length).toBeGreaterThan(10);
    expect(outside).toEqual([]);
    // Importing the element defines it, so that a bundler must not leave it out.
    expect(manifest.sideEffects).toEqual(['./dist/client/element/index.js']);
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
