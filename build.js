// Makes dist/ of what tsc has compiled: one file for each entry, and `core.cjs`, the one copy of all that entries share.
// Loading the modules one by one took longer than all else that the module adds to a boot.
//
// `import` and `require` reach the same core, each through a shell that brings it the packages it names, loaded in its own
// way. So no tool can make two copies of a class, and nothing large is packed twice.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

import { decode, encode } from '@jridgewell/sourcemap-codec';
import { rolldown } from 'rolldown';

import {
  core,
  entryCommon,
  entryModule,
  packages,
  partsOf,
  shellCommon,
  shellModule,
} from './build/formats.js';

const COMPILED = '.tmp/build';
const { exports: entries } = JSON.parse(await readFile('package.json', 'utf8'));
const files = Object.values(entries)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => relative('dist', entry.import.default));

const shared = new Set();
const build = await rolldown({
  input: Object.fromEntries(files.map((file) => [file.slice(0, -3), resolve(COMPILED, file)])),
  // The helpers of TypeScript are packed once; all else is the application's.
  external: (id) => !/^([./]|tslib$)/.test(id),
  plugins: [{ name: 'compiled', load: compiled, buildEnd: findShared }],
  // No names of compiled files in comments.
  experimental: { attachDebugInfo: 'none' },
});
const { output } = await build.generate({
  format: 'esm',
  // They are in the declarations, and in the repository.
  comments: false,
  sourcemap: 'hidden',
  sourcemapExcludeSources: true,
  chunkFileNames: '[name].js',
  minifyInternalExports: false,
  codeSplitting: { groups: [{ name: 'shared', test: (id) => shared.has(id) }] },
});
await build.close();

for (const { type, fileName, code, map } of output) {
  if (type !== 'chunk') continue;
  const parts = partsOf(code);
  if (fileName === 'shared.js') {
    await write('core.cjs', core(parts), parts, map);
    await write('packages.cjs', packages());
    await write('shared.js', shellModule(parts));
    await write('shared.cjs', shellCommon(parts));
  } else {
    const common = fileName.replace(/js$/, 'cjs');
    await write(fileName, entryModule(parts), parts, map);
    await write(common, entryCommon(parts), parts, map);
    // One copy of the declarations too: private members of two copies do not fit each other.
    const declarations = [
      '// @ts-ignore: TypeScript refuses the ES module under node16, and means the code.',
      `export * from './${basename(fileName)}';`,
    ];
    await writeFile(join('dist', fileName.replace(/js$/, 'd.cts')), `${declarations.join('\n')}\n`);
  }
}
await removeUnreachable();
await rm(COMPILED, { recursive: true });

/** A compiled file with its map, which leads to lib/. */
async function compiled(id) {
  if (!id.includes(COMPILED)) return null;
  const [code, map] = await Promise.all([readFile(id, 'utf8'), readFile(`${id}.map`, 'utf8')]);
  return { code: code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'), map };
}

/** What is behind the root entry, or behind two others. */
function findShared() {
  const behind = (id, found = new Set()) => {
    if (found.has(id) || !isAbsolute(id)) return found;
    found.add(id);
    for (const next of this.getModuleInfo(id).importedIds) behind(next, found);
    return found;
  };
  const seen = new Set();
  for (const file of files) {
    for (const id of behind(resolve(COMPILED, file))) {
      if (file === 'index.js' || seen.has(id)) shared.add(id);
      seen.add(id);
    }
  }
}

/** Writes a file, and its map when there is code of ours in it. */
async function write(name, { head, body, tail }, parts, map) {
  const file = join('dist', name);
  const text = [...head, ...body, ...tail];
  await mkdir(dirname(file), { recursive: true });
  const { sources, lines } = map ? linesOf(map) : { sources: [], lines: [] };
  if (sources.length > 0) {
    text.push(`//# sourceMappingURL=${basename(name)}.map`);
    const written = {
      version: 3,
      sources: sources.map((source) => relative(dirname(file), source)),
      names: [],
      mappings: encode([
        ...head.map(() => []),
        ...lines.slice(parts.start, parts.start + body.length),
      ]),
    };
    await writeFile(`${file}.map`, JSON.stringify(written));
  }
  await writeFile(file, `${text.join('\n')}\n`);
}

/** Which line comes from which of lib/, and no more: columns are two thirds of a map. */
function linesOf({ sources, mappings }) {
  const ours = sources.filter((source) => !source.includes('node_modules'));
  const lines = decode(mappings).map((segments) => {
    const [, index, line] = segments.find((segment) => segment.length > 1) ?? [];
    const source = ours.indexOf(sources[index]);
    return source === -1 ? [] : [[0, source, line, 0]];
  });
  return { sources: ours.map((source) => join('lib', source.split('/lib/').at(-1))), lines };
}

/** Removes the declarations that no entry leads to. */
async function removeUnreachable() {
  const reached = new Set();
  const reach = async (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = await readFile(file, 'utf8');
    for (const [, target] of text.matchAll(/(?:\bfrom |\bimport\(|^import )'(\.[^']+)\.js'/gm)) {
      await reach(join(dirname(file), `${target}.d.ts`));
    }
  };
  for (const file of files) await reach(join('dist', file.replace(/js$/, 'd.ts')));
  for (const name of await readdir('dist', { recursive: true })) {
    const file = join('dist', name);
    if (file.endsWith('.d.ts') && !reached.has(file)) await rm(file);
  }
}
