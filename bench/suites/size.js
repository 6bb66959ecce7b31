import { table } from '../report/table.js';

/** What `npm install` brings; the package has no dependencies of its own. */
export async function run({ pack }) {
  const { size, unpackedSize, files } = pack;
  const kilobytes = (bytes) => `${(bytes / 1_000).toFixed(1)} kB`;
  const text = table(
    ['packed', 'installed', 'files'],
    [[kilobytes(size), kilobytes(unpackedSize), files]],
  );
  return { title: 'Size', text, packedKb: size / 1_000 };
}
