// Bundles what tsc has compiled: one chunk for each entry of package.json, and one chunk `shared` with the code that entries
// have in common, so that no class exists twice.
import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';

import { rolldown } from 'rolldown';

import { withoutBlanks } from './blanks.js';

/**
 * @param {string} compiledFolder where tsc wrote
 * @param {readonly string[]} entries paths of the entries in it, the root entry being `index.js`
 * @returns the name, the code and the map of each chunk
 */
export async function bundle(compiledFolder, entries) {
  const shared = new Set();
  const build = await rolldown({
    input: Object.fromEntries(
      entries.map((file) => [file.slice(0, -3), resolve(compiledFolder, file)]),
    ),
    // The helpers of TypeScript are bundled once; every other package is installed by the application.
    external: (id) => !/^([./]|tslib$)/.test(id),
    plugins: [
      {
        name: 'compiled',
        load: (id) => (id.includes(compiledFolder) ? compiledFile(id) : null),
        buildEnd() {
          const importedBy = (id) => this.getModuleInfo(id).importedIds;
          const roots = entries.map((file) => [file === 'index.js', resolve(compiledFolder, file)]);
          for (const id of sharedModules(roots, importedBy)) shared.add(id);
        },
      },
    ],
    // Without this, comments of the bundle name the compiled files.
    experimental: { attachDebugInfo: 'none' },
  });
  const { output } = await build.generate({
    format: 'esm',
    // Comments are in the declarations, and in the repository.
    comments: false,
    // Leaves out what is never used, and writes constants where they are read. Statements stay lines of their own. Names of classes,
    // functions and exports stay, because logs and stack traces show them; those inside of functions become short.
    minify: {
      compress: { sequences: false, joinVars: false, keepNames: { function: true, class: true } },
      mangle: { toplevel: false, keepNames: true },
      codegen: { removeWhitespace: false },
    },
    sourcemap: 'hidden',
    sourcemapExcludeSources: true,
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
    codeSplitting: { groups: [{ name: 'shared', test: (id) => shared.has(id) }] },
  });
  await build.close();
  return output
    .filter(({ type }) => type === 'chunk')
    .map(({ fileName, code, map }) => ({ fileName, code: withoutBlanks(code), map }));
}

/** A compiled file and its map, which leads to lib/. */
async function compiledFile(id) {
  const [code, map] = await Promise.all([readFile(id, 'utf8'), readFile(`${id}.map`, 'utf8')]);
  return { code: code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'), map };
}

/** The modules that the root entry reaches, and those that two other entries reach. */
function sharedModules(roots, importedBy) {
  const reachedFrom = (id, found = new Set()) => {
    if (found.has(id) || !isAbsolute(id)) return found;
    found.add(id);
    for (const next of importedBy(id)) reachedFrom(next, found);
    return found;
  };
  const shared = new Set();
  const seen = new Set();
  for (const [isRoot, entry] of roots) {
    for (const id of reachedFrom(entry)) {
      if (isRoot || seen.has(id)) shared.add(id);
      seen.add(id);
    }
  }
  return shared;
}
