// Makes dist/ out of what tsc has compiled: one file for each entry, and `core.cjs`, the one copy of everything that entries
// share. One file, because loading the modules one by one took longer than everything else that the module adds to a boot.
//
// `import` and `require` reach the same core, each through a face of a few lines that passes in the packages that the core
// needs, loaded in its own way. So an application that uses both has one copy of each class, and the code is packed once.
import { readFile, rm } from 'node:fs/promises';
import { relative } from 'node:path';

import { writeBrowserEntries } from './browser.js';
import { bundle } from './bundle.js';
import {
  importFromDeclaringFiles,
  removeUnreachable,
  writeCommonDeclarations,
} from './declarations.js';
import {
  core,
  entryCommon,
  entryModule,
  packages,
  partsOf,
  shellCommon,
  shellModule,
} from './faces.js';
import { checkedPackages } from './optional-packages.js';
import { write } from './write-file.js';

const COMPILED = '.tmp/build';
const manifest = JSON.parse(await readFile('package.json', 'utf8'));
const { exports: entries } = manifest;
const faces = Object.values(entries).filter((entry) => typeof entry === 'object');
const files = faces.flatMap((entry) => entry.import ?? []).map(pathInDist);
/** Entries for browsers are ES modules alone. */
const browserFiles = faces.filter((entry) => entry.import === undefined).map(pathInDist);

function pathInDist(face) {
  return relative('dist', face.default);
}

for (const { fileName, code, map } of await bundle(COMPILED, files)) {
  const { parts, wrappers } = checkedPackages(fileName, partsOf(code), manifest);
  for (const [name, face] of wrappers) await write(name, face);
  if (fileName === 'shared.js') {
    await write('core.cjs', core(parts), parts, map);
    await write('packages.cjs', packages());
    await write('shared.js', shellModule(parts));
    await write('shared.cjs', shellCommon(parts));
  } else {
    await write(fileName, entryModule(parts), parts, map);
    await write(fileName.replace(/js$/, 'cjs'), entryCommon(parts), parts, map);
    await writeCommonDeclarations(fileName);
  }
}
await writeBrowserEntries(COMPILED, browserFiles);
await importFromDeclaringFiles();
await removeUnreachable([...files, ...browserFiles]);
await rm(COMPILED, { recursive: true });
