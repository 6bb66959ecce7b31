import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

/**
 * Every code that a test application issues is written to one file, everything that leaves it (log, error, answer, SQL
 * parameter) to another; `search-for-codes.js` looks for the first in the second when all tests are over.
 */
export const CANARY_FOLDER = fileURLToPath(new URL('../../.tmp/canaries', import.meta.url));

const CONSONANTS = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 20;

/** Well-formed, and never drawn: it has vowels. */
export const WRONG_CODE = 'WRONGCODE';

/** Codes long enough that none of them is ever in a text by chance. */
export function drawCanaryCode(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(LENGTH));
  const code = Array.from(bytes, (byte) => CONSONANTS[byte % CONSONANTS.length]).join('');
  append('codes', code);
  return code;
}

/** What was seen, and where. */
export function recordOutput(where: string, ...what: readonly unknown[]): void {
  const texts = what.map((value) =>
    typeof value === 'string'
      ? value
      : `${inspect(value, { depth: 8, showHidden: true, maxStringLength: 20_000, breakLength: Infinity })} ${json(value)}`,
  );
  // One line each, so that the search knows from where every part of it came.
  append('output', `[${where}] ${texts.join(' ')}`.replaceAll('\n', '\u23ce'));
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}

function append(file: 'codes' | 'output', text: string): void {
  mkdirSync(CANARY_FOLDER, { recursive: true });
  appendFileSync(join(CANARY_FOLDER, `${file}.${process.pid}.log`), `${text}\n`);
}
