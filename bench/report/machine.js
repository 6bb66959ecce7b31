import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

import { fsyncMicroseconds } from '../measure/fsync.js';
import { ROOT } from '../setup/prepare.js';
import { table } from './table.js';

/** The machine of the numbers, so that a reader does not compare them with those of another machine. */
export async function describeMachine(folder, { postgres, redis }, options) {
  const { rounds, seconds, firstSeconds, warmUpSeconds } = options.sizes;
  return table(
    ['what', 'here'],
    [
      ['date', new Date().toISOString().slice(0, 16).replace('T', ' ')],
      ['commit', commit()],
      ['CPU', `${cpus()[0].model.trim()}, ${cpus().length} cores`],
      ['memory', `${Math.round(totalmem() / 2 ** 30)} GB`],
      ['kernel', `${process.platform} ${release()}`],
      ['fdatasync of 8 kB', `${fsyncMicroseconds(folder)} us`],
      ['Node', process.version],
      ['PostgreSQL', postgres.version],
      ['Redis', redis?.version ?? 'none'],
      [
        'rounds',
        `${rounds} of ${seconds} s, each after ${warmUpSeconds} s, of processes that ran for ${firstSeconds} s before`,
      ],
    ],
  );
}

function commit() {
  try {
    const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
    const isChanged = git('status', '--porcelain') !== '';
    return git('rev-parse', '--short', 'HEAD') + (isChanged ? ', and changes' : '');
  } catch {
    return 'unknown';
  }
}
