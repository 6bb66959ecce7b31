// How a bundled chunk is written for `import` and for `require`.
import { parseAst } from 'rolldown/parseAst';

/**
 * A bundled file taken apart: what it imports, what it exports, and the lines between. Imports are whole lines at its start,
 * exports at its end.
 */
export function partsOf(code) {
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
export function entryModule({ imports, exports, body }) {
  return { head: imports.flatMap(imported), body, tail: [exported(exports)] };
}

/** An entry, for `require`. */
export function entryCommon({ imports, exports, body }) {
  return {
    head: ["'use strict';", ...imports.flatMap(required)],
    // Jest has no `import()` in CommonJS.
    body: body.map((line) =>
      line.replace(/\bimport\(("[^"]+")\)/g, 'Promise.resolve().then(() => require($1))'),
    ),
    tail: exports.map(assigned),
  };
}

/** `import(...)`, and neither a call of a method with this name nor its definition. */
const DYNAMIC_IMPORT = /(?<!\.)\bimport\((?![^)]*\) ?\{)/;

/** The one copy of what entries share. It imports nothing itself: Node is slow at importing a large CommonJS module. */
export function core({ imports, exports, body }) {
  if (body.some((line) => DYNAMIC_IMPORT.test(line))) raise('Only entries may import() a package.');
  const names = imports.flatMap(given);
  return {
    head: ["'use strict';", `const ${braced(names)} = require("./packages.cjs").packages;`],
    body,
    tail: exports.map(assigned),
  };
}

/** Hands the core its packages: the face that is loaded first passes them in, and every face gets the same core. */
export function packages() {
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
export function shellModule({ imports, exports }) {
  const head = [...imports.flatMap(imported), 'import { coreOf } from "./packages.cjs";'];
  const taken = new Set(['coreOf', ...imports.flatMap(given)]);
  const names = exports.map(({ outer }) => outer);
  const twice = names.find((name) => taken.has(name));
  if (twice !== undefined) raise(`The core exports ${twice}, and imports another ${twice}.`);
  return { head, body: [`export const ${braced(names)} = ${made(imports)};`], tail: [] };
}

/** Brings the core its packages, loaded by `require`. Only entries require it, so that its names need not be recognised. */
export function shellCommon({ imports }) {
  const head = imports.flatMap(required);
  return {
    head: ["'use strict';", ...head, 'const { coreOf } = require("./packages.cjs");'],
    body: [`module.exports = ${made(imports)};`],
    tail: [],
  };
}

function imported({ source, names, isOptional = false }) {
  const from = JSON.stringify(source);
  if (isOptional) return [`import optional from ${from};`, ...unpacked(names)];
  if (names.length === 0) return `import ${from};`;
  const taken = names.map(({ outer, inner }) => (outer === inner ? outer : `${outer} as ${inner}`));
  return `import ${braced(taken)} from ${from};`;
}

function required({ source, names, isOptional = false }) {
  const path = source.startsWith('.') ? source.replace(/\.js$/, '.cjs') : source;
  const call = `require(${JSON.stringify(path)});`;
  if (isOptional) return [`const optional = ${call}`, ...unpacked(names)];
  if (names.length === 0) return call;
  return `const ${braced(names.map(({ outer, inner }) => renamed(outer, inner)))} = ${call}`;
}

/** The names of an optional package, or the error that says what to install. */
function unpacked(names) {
  const inner = braced(names.map((each) => renamed(each.outer, each.inner)));
  return ['if (optional.missing) throw optional.missing;', `const ${inner} = optional.found;`];
}

function exported(names) {
  return `export ${braced(names.map(({ outer, inner }) => (outer === inner ? outer : `${inner} as ${outer}`)))};`;
}

/** One statement a name, as Node and bundlers recognise it. */
function assigned({ outer, inner }) {
  return `exports.${outer} = ${inner};`;
}

function made(imports) {
  return `coreOf(${braced(imports.flatMap(given))})`;
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
