// Builds the pages into .vitepress/dist. It uses the network for npm alone, and only when the lock has changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCS = fileURLToPath(new URL('.', import.meta.url));
/** Holds the hash of the lock that the installed packages come from. */
const MARK = join(DOCS, 'node_modules/.lock-hash');

install();
// These import packages that were only just installed.
const { readSource } = await import('./generate/read-source.js');
const { writePages } = await import('./generate/pages.js');
const { writeApi } = await import('./generate/api.js');

const source = readSource();
if (source.gaps.length > 0) {
  throw new Error(`Without documentation:\n${source.gaps.join('\n')}`);
}
writePages(source);
await writeApi(source);
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
