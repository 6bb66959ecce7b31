// Makes the declarations of dist/ small: each imports from the file that declares a name, and unused files are removed.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

/** One copy of the declarations for `import` and `require`: private members of two copies are not assignable to each other. */
export async function writeCommonDeclarations(fileName) {
  const lines = [
    '// @ts-ignore: TypeScript refuses the ES module under node16, and means the code.',
    `export * from './${basename(fileName)}';`,
  ];
  await writeFile(join('dist', fileName.replace(/js$/, 'd.cts')), `${lines.join('\n')}\n`);
}

/** Lets declarations import from the file that declares a name, instead of an index that leads to everything in its folder. */
export async function importFromDeclaringFiles() {
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
    // The index declares the name itself.
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
          return `${verb}${type} { ${names.join(', ')} } from '${target}';`;
        })
        .join('\n');
    });
    await writeFile(file, direct);
  }
}

/** Removes the declarations that no entry reaches. */
export async function removeUnreachable(files) {
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
