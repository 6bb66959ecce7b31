// The entries for browsers, bundled from the sources as build/browser.js bundles what tsc has compiled.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The entries, as `build/browser.js` finds them in package.json. */
export const BROWSER_ENTRIES = [
  'client/index.js',
  'client/element/index.js',
  'client/texts/index.js',
];

/** The text of each entry by its path below dist/. */
export async function bundleClient(): Promise<ReadonlyMap<string, string>> {
  const texts = await Promise.all(
    BROWSER_ENTRIES.map(async (entry) => {
      const build = await rolldown({
        input: join(ROOT, 'lib', entry.replace(/js$/, 'ts')),
        external: (id) => id === '../index.js',
        platform: 'browser',
        resolve: { extensionAlias: { '.js': ['.ts'] } },
        transform: { target: 'es2022' },
      });
      const { output } = await build.generate({ format: 'esm', minify: true });
      await build.close();
      return [entry, output[0].code] as const;
    }),
  );
  return new Map(texts);
}
