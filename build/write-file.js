// Writes a file of dist/, with a source map that leads to lib/.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

import { decode, encode } from '@jridgewell/sourcemap-codec';

/** Writes `face` to dist/`name`, and a map when `map` leads to code of lib/. `start` is the first line of the body in the chunk. */
export async function write(name, { head, body, tail }, { start } = { start: 0 }, map) {
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
      mappings: encode([...head.map(() => []), ...lines.slice(start, start + body.length)]),
    };
    await writeFile(`${file}.map`, JSON.stringify(written));
  }
  await writeFile(file, `${text.join('\n')}\n`);
}

/** Maps each line to its line of lib/. Columns are left out: they are two thirds of a map. */
function linesOf({ sources, mappings }) {
  const ours = sources.filter((source) => !source.includes('node_modules'));
  const lines = decode(mappings).map((segments) => {
    const [, index, line] = segments.find((segment) => segment.length > 1) ?? [];
    const source = ours.indexOf(sources[index]);
    return source === -1 ? [] : [[0, source, line, 0]];
  });
  return { sources: ours.map((source) => join('lib', source.split('/lib/').at(-1))), lines };
}
