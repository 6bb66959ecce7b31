// Makes dist/ of what tsc has compiled: one file for each entry, and one for what entries share. Loading the modules one by
// one took longer than all else that the module adds to a boot.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';

import { decode, encode } from '@jridgewell/sourcemap-codec';
import { rolldown } from 'rolldown';

const COMPILED = '.tmp/build';
const { exports: entries } = JSON.parse(await readFile('package.json', 'utf8'));
const files = Object.values(entries)
  .map((entry) => entry.default ?? '')
  .filter((path) => path.endsWith('.js'))
  .map((path) => relative('dist', path));

const build = await rolldown({
  input: Object.fromEntries(files.map((file) => [file.slice(0, -3), resolve(COMPILED, file)])),
  external: (id) => !/^[./]/.test(id),
  plugins: [{ name: 'compiled', load: compiled }],
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
  codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
});
await build.close();

for (const chunk of output) {
  if (chunk.type !== 'chunk') continue;
  const file = join('dist', chunk.fileName);
  const name = chunk.fileName.split('/').at(-1);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${chunk.code}//# sourceMappingURL=${name}.map\n`);
  await writeFile(`${file}.map`, JSON.stringify(linesOf(chunk.map, dirname(file))));
}
await rm(COMPILED, { recursive: true });

/** A compiled file with its map, which leads to lib/. */
async function compiled(id) {
  if (!id.endsWith('.js')) return null;
  const [code, map] = await Promise.all([readFile(id, 'utf8'), readFile(`${id}.map`, 'utf8')]);
  return { code: code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'), map };
}

/** Which line comes from which, and no more: columns are two thirds of a map. */
function linesOf({ sources, mappings }, folder) {
  const lines = decode(mappings).map((segments) => {
    const first = segments.find((segment) => segment.length > 1);
    return first === undefined ? [] : [[0, first[1], first[2], 0]];
  });
  return {
    version: 3,
    sources: sources.map((source) => relative(folder, join('lib', source.split('/lib/').at(-1)))),
    names: [],
    mappings: encode(lines),
  };
}
