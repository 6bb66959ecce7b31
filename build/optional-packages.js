// An optional package that an entry imports statically, because its functions are synchronous. Node would only name the package that it does
// not find. An import cannot be caught in an ES module without an await at its top level, which neither `require` nor a bundler for
// CommonJS takes. So a small file in CommonJS requires the package for both faces of the entry, and makes the error that says what to
// install. The faces throw it: Node 20 ends the process for a file in CommonJS that throws below an `import()`, though that is caught.
import { dirname, join } from 'node:path/posix';

/**
 * @param {string} fileName the entry in dist/
 * @returns the parts of the entry, importing optional packages by the small files, and these files by name
 */
export function checkedPackages(fileName, parts, { name, exports, peerDependenciesMeta }) {
  const wrappers = new Map();
  const imports = parts.imports.map((each) => {
    const { source } = each;
    const packageName = source.split('/', source.startsWith('@') ? 2 : 1).join('/');
    if (peerDependenciesMeta[packageName]?.optional !== true) return each;
    if (wrappers.size > 0) throw new Error(`${fileName} imports two optional packages.`);
    const file = `${packageName.replace(/^.*\//, '')}.cjs`;
    const [subpath] = Object.entries(exports).find(
      ([, entry]) => entry.import?.default === `./dist/${fileName}`,
    );
    wrappers.set(join(dirname(fileName), file), wrapper(join(name, subpath), packageName, source));
    return { ...each, source: `./${file}`, isOptional: true };
  });
  return { parts: { ...parts, imports }, wrappers };
}

function wrapper(entry, packageName, source) {
  const sentence = `${entry} needs the package ${packageName}: install it with "npm install ${packageName}".`;
  return {
    head: ["'use strict';"],
    body: [
      'try {',
      `\texports.found = require(${JSON.stringify(source)});`,
      '} catch (cause) {',
      `\texports.missing = new Error(${JSON.stringify(sentence)}, { cause });`,
      '}',
    ],
    tail: [],
  };
}
