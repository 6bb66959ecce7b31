// Builds the pages into .vitepress/dist. Asks nothing of the network but npm, and that only when the lock has changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCS = fileURLToPath(new URL('.', import.meta.url));
/** Says of which lock the installed packages are. */
const MARK = join(DOCS, 'node_modules/.lock-hash');

install();
// What they import is there now.
const { readHouse } = await import('./generate/house.js');
const { writePages } = await import('./generate/pages.js');
const { writeApi } = await import('./generate/api.js');

const house = readHouse();
if (house.complaints.length > 0) {
  throw new Error(`Told nowhere:\n${house.complaints.join('\n')}`);
}
writePages(house);
await writeApi(house);
execFileSync(process.execPath, [join(DOCS, 'node_modules/vitepress/bin/vitepress.js'), 'build'], {
  cwd: DOCS,
  stdio: 'inherit',
});
process.stdout.write('docs: built\n');

function install() {
  const lock = readFileSync(join(DOCS, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex');
  if (existsSync(MARK) && readFileSync(MARK, 'utf8') === hash) return;
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: DOCS, stdio: 'inherit' });
  writeFileSync(MARK, hash);
}
