// Bundles the entries for browsers, which share nothing with the others: one file for each, minified, because pages without a
// bundler load them as they are.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { rolldown } from 'rolldown';

/** How the element imports the entry of the client: in lib/ and in dist/ it is one folder above. */
const CLIENT = '../index.js';

/** The file of the style sheet, which a minifier of JavaScript leaves as it is: a text. */
const STYLES = '/element/styles.js';
/** Removes the ends of lines and indentation from the style sheet. No rule of it has a text or a selector of two lines. */
const joinStyles = {
  name: 'join-styles',
  transform: (/** @type {string} */ code, /** @type {string} */ id) =>
    id.endsWith(STYLES)
      ? code.replace(/(?<== )`[^`]*`/, (css) => css.replaceAll(/\n\s*/g, ''))
      : undefined,
};

/**
 * @param {string} compiledFolder where tsc wrote
 * @param {readonly string[]} entries paths of the entries in it
 */
export async function writeBrowserEntries(compiledFolder, entries) {
  for (const entry of entries) {
    const build = await rolldown({
      input: resolve(compiledFolder, entry),
      external: (id) => id === CLIENT,
      platform: 'browser',
      plugins: [joinStyles],
    });
    const { output } = await build.generate({ format: 'esm', comments: false, minify: true });
    await build.close();
    const file = join('dist', entry);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, output[0].code);
  }
}
