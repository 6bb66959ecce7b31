import { readFileSync } from 'node:fs';

import { Absent } from './contender.js';

const DECLARED = new URL(
  'options/two-factor-options.interface.d.ts',
  import.meta.resolve('nestjs-two-factor'),
);

/**
 * The option `batching`, for a version of the package that has it; older ones refuse what they do not know, and never join.
 *
 * @param {boolean} join
 */
export function joinOption(join) {
  const declared = readFileSync(DECLARED, 'utf8');
  if (/\bbatching\?:/.test(declared)) return { batching: join };
  if (/\bjoin\?:/.test(declared)) return { join };
  if (join) throw new Absent('this version of the package does not join');
  return {};
}
