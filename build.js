// Makes dist/ of what tsc has compiled: one file for each entry, and `core.cjs`, the one copy of all that entries share.
// Loading the modules one by one took longer than all else that the module adds to a boot.
//
// `import` and `require` reach the same core, each through a shell that brings it the packages it names, loaded in its own
// way. So no tool can make two copies of a class, and nothing large is packed twice.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

import { decode, encode } from '@jridgewell/sourcemap-codec';
import { rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';

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
await pastBarrels();
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

/** Declarations name the file they mean, and not its room, which leads to everything in it. */
async function pastBarrels() {
  const statement = /^(import|export)( type)? \{ ([^}]*?),? \} from '(\..*\/index\.js)';$/gm;
  const texts = new Map();
  for (const name of await readdir('dist', { recursive: true })) {
    const file = join('dist', name);
    if (file.endsWith('.d.ts')) texts.set(file, await readFile(file, 'utf8'));
  }
  const homeOf = (name, barrel) => {
    for (const [, names, target] of texts
      .get(barrel)
      .matchAll(/ \{ ([^}]*) \} from '(.*)\.js';/g)) {
      if (new RegExp(`\\b${name}\\b`).test(names)) return join(dirname(barrel), `${target}.d.ts`);
    }
    // Its own.
    return barrel;
  };
  for (const [file, text] of texts) {
    const direct = text.replace(statement, (_, verb, type = '', list, from) => {
      const barrel = join(dirname(file), from.replace(/js$/, 'd.ts'));
      const homes = new Map();
      for (const taken of list.split(', ')) {
        const home = homeOf(/\w+/.exec(taken.replace('type ', ''))[0], barrel);
        homes.set(home, [...(homes.get(home) ?? []), taken]);
      }
      return [...homes]
        .map(([home, names]) => {
          const path = relative(dirname(file), home).replace(/d\.ts$/, 'js');
          const target = path.startsWith('.') ? path : `./${path}`;
          return `${verb}${type} ${braced(names)} from '${target}';`;
        })
        .join('\n');
    });
    await writeFile(file, direct);
  }
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

// How a bundled file is written for `import` and for `require`.

/**
 * A bundled file taken apart: what it imports, what it exports, and the lines between. Imports are whole lines at its start,
 * exports at its end.
 */
function partsOf(code) {
  const text = code.split('\n');
  const lineOf = (offset) => code.slice(0, offset).split('\n').length - 1;
  const imports = [];
  const exports = [];
  let start = 0;
  let end = text.length;
  for (const node of parseAst(code).body) {
    if (node.type === 'ImportDeclaration') {
      const names = node.specifiers.map(({ imported, local }) => ({
        // Neither `default` nor a namespace is the same thing on both sides.
        outer: imported?.name ?? raise(`Import names from ${node.source.value}.`),
        inner: local.name,
      }));
      imports.push({ source: node.source.value, names });
      start = lineOf(node.end) + 1;
    } else if (node.type === 'ExportNamedDeclaration') {
      const names = node.specifiers.map(({ local, exported }) => ({
        outer: exported.name,
        inner: local.name,
      }));
      if (node.source) imports.push({ source: node.source.value, names: names.map(passedOn) });
      exports.push(...(node.source ? names.map(({ outer }) => ({ outer, inner: outer })) : names));
      end = Math.min(end, lineOf(node.start));
    }
  }
  return { imports, exports, body: text.slice(start, end), start };
}

/** `export { inner as outer } from`, as the import it is. */
function passedOn({ outer, inner }) {
  return { outer: inner, inner: outer };
}

/** An entry, for `import`. */
function entryModule({ imports, exports, body }) {
  return { head: imports.map(imported), body, tail: [exported(exports)] };
}

/** An entry, for `require`. */
function entryCommon({ imports, exports, body }) {
  return {
    head: ["'use strict';", ...imports.map(required)],
    // Jest has no `import()` in CommonJS.
    body: body.map((line) =>
      line.replace(/\bimport\(("[^"]+")\)/g, 'Promise.resolve().then(() => require($1))'),
    ),
    tail: exports.map(assigned),
  };
}

/** The one copy of what entries share. It imports nothing itself: Node is slow at importing a large CommonJS module. */
function core({ imports, exports, body }) {
  if (body.some((line) => /\bimport\(/.test(line))) raise('Only entries may import() a package.');
  const names = imports.flatMap(given);
  return {
    head: ["'use strict';", `const ${braced(names)} = require("./packages.cjs").packages;`],
    body,
    tail: exports.map(assigned),
  };
}

/** Where the core finds its packages: who comes first brings them, and all get the one core. */
function packages() {
  return {
    head: ["'use strict';"],
    body: [
      'exports.coreOf = (packages) => {',
      '\texports.packages ??= packages;',
      '\treturn require("./core.cjs");',
      '};',
    ],
    tail: [],
  };
}

/** Brings the core its packages, loaded by `import`. */
function shellModule({ imports, exports }) {
  const head = [...imports.map(imported), 'import { coreOf } from "./packages.cjs";'];
  return { head, body: [made(imports, exports)], tail: [exported(exports)] };
}

/** Brings the core its packages, loaded by `require`. */
function shellCommon({ imports, exports }) {
  const head = imports.map(required);
  return {
    head: ["'use strict';", ...head, 'const { coreOf } = require("./packages.cjs");'],
    body: [made(imports, exports)],
    tail: exports.map(assigned),
  };
}

function imported({ source, names }) {
  const from = JSON.stringify(source);
  if (names.length === 0) return `import ${from};`;
  const taken = names.map(({ outer, inner }) => (outer === inner ? outer : `${outer} as ${inner}`));
  return `import ${braced(taken)} from ${from};`;
}

function required({ source, names }) {
  const path = source.startsWith('.') ? source.replace(/\.js$/, '.cjs') : source;
  const call = `require(${JSON.stringify(path)});`;
  if (names.length === 0) return call;
  return `const ${braced(names.map(({ outer, inner }) => renamed(outer, inner)))} = ${call}`;
}

function exported(names) {
  return `export ${braced(names.map(({ outer, inner }) => (outer === inner ? outer : `${inner} as ${outer}`)))};`;
}

/** One statement a name, as Node and bundlers recognise it. */
function assigned({ outer, inner }) {
  return `exports.${outer} = ${inner};`;
}

function made(imports, exports) {
  const names = exports.map(({ outer, inner }) => renamed(outer, inner));
  return `const ${braced(names)} = coreOf(${braced(imports.flatMap(given))});`;
}

function given({ names }) {
  return names.map(({ inner }) => inner);
}

function renamed(outer, inner) {
  return outer === inner ? outer : `${outer}: ${inner}`;
}

function braced(names) {
  return `{ ${names.join(', ')} }`;
}

function raise(message) {
  throw new Error(message);
}
