import { chmodSync, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TMPFS = 0x01021994;

/** A new folder on a disk: in memory an fsync costs nothing, and everything looks fast. */
export function dataFolder(given) {
  const base = given ?? (isInMemory(tmpdir()) ? '/var/tmp' : tmpdir());
  if (isInMemory(base)) throw new Error(`${base} is in memory. Give a folder on a disk: --data.`);
  const folder = mkdtempSync(join(base, 'two-factor-bench-'));
  // As root, PostgreSQL runs as another user.
  chmodSync(folder, 0o777);
  return folder;
}

function isInMemory(folder) {
  return statfsSync(folder).type === TMPFS;
}
