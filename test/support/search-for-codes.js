// Looks for every issued code, and for MACs and envelopes, in everything that left the test applications. Run by
// `npm test` after all tests. A test that draws a recipient by `drawCanaryCode` has it looked for as well.
import { createReadStream, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const DEFAULT_FOLDER = fileURLToPath(new URL('../../.tmp/canaries', import.meta.url));

/** `v1.kid.` and the MAC or the nonce: the database alone may be told. */
const SEALED = /v1\.[\w-]{8}\.[\w-]{16}/;

/** Line by line: the long rounds write gigabytes. @param {string} folder @param {string} kind */
async function* linesOf(folder, kind) {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${kind}.`)) continue;
    yield* createInterface({ input: createReadStream(join(folder, name)), crlfDelay: Infinity });
  }
}

/** @param {string} folder @returns {Promise<{ codes: number, lines: number, found: string[] }>} */
export async function searchForCodes(folder) {
  const codes = new Set();
  for await (const code of linesOf(folder, 'codes')) codes.add(code);
  // Codes are runs of 20 consonants, so each such run in a line is looked up rather than each code in each line.
  const leaks = (/** @type {string} */ line) => {
    if (!line.startsWith('[sql') && SEALED.test(line)) return true;
    for (const [run] of line.matchAll(/[B-DF-HJ-NP-TV-Z]{20,}/g)) {
      for (let start = 0; start + 20 <= run.length; start += 1) {
        if (codes.has(run.slice(start, start + 20))) return true;
      }
    }
    return false;
  };
  /** @type {string[]} */
  const found = [];
  let lines = 0;
  for await (const line of linesOf(folder, 'output')) {
    lines += 1;
    if (leaks(line)) found.push(line);
  }
  return { codes: codes.size, lines, found };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { codes, lines, found } = await searchForCodes(process.argv[2] ?? DEFAULT_FOLDER);
  for (const line of found.slice(0, 10))
    process.stdout.write(`A code or a MAC leaked: ${line.slice(0, 300)}\n`);
  process.stdout.write(
    `Searched ${lines} outputs for ${codes} issued codes: ${found.length} found.\n`,
  );
  // A search over nothing proves nothing.
  process.exitCode = found.length > 0 || codes === 0 || lines === 0 ? 1 : 0;
}
