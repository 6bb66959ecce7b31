// Looks for every issued code, and for MACs and envelopes, in everything that left the test applications. Run by
// `npm test` after all tests. A test that draws a recipient by `drawCanaryCode` has it looked for as well.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const DEFAULT_FOLDER = fileURLToPath(new URL('../../.tmp/canaries', import.meta.url));

/** `v1.kid.` and the MAC or the nonce: the database alone may be told. */
const SEALED = /v1\.[\w-]{8}\.[\w-]{16}/;

/** @param {string} folder @returns {{ codes: number, lines: number, found: string[] }} */
export function searchForCodes(folder) {
  const read = (kind) =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`${kind}.`))
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .filter(Boolean);
  const codes = new Set(read('codes'));
  const lines = read('output');
  // Codes are runs of 20 consonants, so each such run in a line is looked up rather than each code in each line.
  const found = lines.filter((line) => {
    if (!line.startsWith('[sql') && SEALED.test(line)) return true;
    for (const [run] of line.matchAll(/[B-DF-HJ-NP-TV-Z]{20,}/g)) {
      for (let start = 0; start + 20 <= run.length; start += 1) {
        if (codes.has(run.slice(start, start + 20))) return true;
      }
    }
    return false;
  });
  return { codes: codes.size, lines: lines.length, found };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { codes, lines, found } = searchForCodes(process.argv[2] ?? DEFAULT_FOLDER);
  for (const line of found.slice(0, 10))
    process.stdout.write(`A code or a MAC leaked: ${line.slice(0, 300)}\n`);
  process.stdout.write(
    `Searched ${lines} outputs for ${codes} issued codes: ${found.length} found.\n`,
  );
  // A search over nothing proves nothing.
  process.exitCode = found.length > 0 || codes === 0 || lines === 0 ? 1 : 0;
}
