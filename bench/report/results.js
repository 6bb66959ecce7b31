import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BENCH } from '../setup/prepare.js';

/** Keeps what was said, beside the README that explains it. */
export function writeResults(sections) {
  const head =
    '# The last recorded run\n\nWritten by `npm run bench -- --record`; [README.md](README.md) says what it means.\n';
  writeFileSync(join(BENCH, 'RESULTS.md'), [head, ...sections].join('\n'));
}
