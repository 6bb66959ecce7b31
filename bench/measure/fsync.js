import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { median } from './statistics.js';

const BLOCK = Buffer.alloc(8_192, 1);
const SECONDS = 1;

/** The median of writing a block over and over and waiting for the disk, as pg_test_fsync does it: what a commit costs at least. */
export function fsyncMicroseconds(folder) {
  const path = join(folder, 'fsync');
  const file = openSync(path, 'w');
  const times = [];
  const end = performance.now() + SECONDS * 1_000;
  for (let now = performance.now(); now < end;) {
    writeSync(file, BLOCK, 0, BLOCK.length, 0);
    fdatasyncSync(file);
    const done = performance.now();
    times.push(done - now);
    now = done;
  }
  closeSync(file);
  rmSync(path);
  return Math.round(median(times) * 1_000);
}
