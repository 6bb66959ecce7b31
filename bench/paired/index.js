// Compares this working tree with an earlier commit, in one run: node bench/paired/index.js <commit> [rounds] [seconds]
//
// Each side is built, and runs in a process of its own with a database of its own on the local PostgreSQL (TEST_POSTGRES_URL).
// The two take turns in random order, so that a slow minute of the machine meets both. The figure is the ratio of the new
// side's cycles a second to the old side's, by round.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Child } from '../process/child.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(ROOT, '.tmp/paired');
const CALLERS = [1, 16, 64];
const MAX_CALLERS = 64;
const REQUESTS = 5_000;
const WARM_UP_SECONDS = 3;
const [commit = 'HEAD~1', rounds = '5', seconds = '1.5'] = process.argv.slice(2);

const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const median = (values) => values.toSorted((one, other) => one - other)[values.length >> 1];
const write = (text) => process.stdout.write(`${text}\n`);
const show = (value) => value.toFixed(2);

function buildEarlier() {
  rmSync(FOLDER, { recursive: true, force: true });
  run(ROOT, 'git', 'worktree', 'prune');
  mkdirSync(join(ROOT, '.tmp'), { recursive: true });
  run(ROOT, 'git', 'worktree', 'add', '--detach', '--force', FOLDER, commit);
  symlinkSync(join(ROOT, 'node_modules'), join(FOLDER, 'node_modules'));
  run(FOLDER, 'npm', 'run', 'build');
  return join(FOLDER, 'dist/index.js');
}

async function start(name, entry) {
  const child = Child.start(new URL('./side.js', import.meta.url));
  await child.call('open', { name, entry });
  for (const callers of CALLERS) await child.call('measure', callers, WARM_UP_SECONDS);
  return { name, child, rates: new Map(CALLERS.map((callers) => [callers, []])) };
}

const earlier = buildEarlier();
run(ROOT, 'npm', 'run', 'build');
if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('The build wrote no dist/index.js.');
const sides = [await start('earlier', earlier), await start('now', join(ROOT, 'dist/index.js'))];
for (let round = 0; round < Number(rounds); round += 1) {
  for (const callers of CALLERS) {
    const order = Math.random() < 0.5 ? sides : sides.toReversed();
    for (const { child, rates } of order) {
      rates.get(callers).push(await child.call('measure', callers, Number(seconds)));
    }
  }
}
const [old, current] = sides;
const cpu = new Map(sides.map(({ name }) => [name, []]));
for (let round = 0; round < Number(rounds); round += 1) {
  for (const { name, child } of sides) {
    cpu.get(name).push(await child.call('requestCpu', MAX_CALLERS, REQUESTS));
  }
}
write(
  `\nRequest, wrong code, right code, use; default limits; PostgreSQL; ${rounds} rounds of ${seconds} s.`,
);
write(`Earlier: ${run(ROOT, 'git', 'rev-parse', '--short', commit).trim()}\n`);
write('| callers | earlier, cycles/s | now | ratio, median (range) |');
write('| --- | --- | --- | --- |');
for (const callers of CALLERS) {
  const before = old.rates.get(callers);
  const after = current.rates.get(callers);
  const ratios = after.map((rate, round) => rate / before[round]);
  write(
    `| ${callers} | ${median(before).toFixed(0)} | ${median(after).toFixed(0)} | ` +
      `${show(median(ratios))} (${show(Math.min(...ratios))}-${show(Math.max(...ratios))}) |`,
  );
}
write(
  `\nCPU of the server for a first request, ${MAX_CALLERS} callers, ${REQUESTS} requests a round:`,
);
for (const [name, values] of cpu) {
  const all = values.map((value) => value.toFixed(0)).join(', ');
  write(`${name} ${median(values).toFixed(0)} us (${all})`);
}
for (const { name, child } of sides) {
  write(`\nStatements of one cycle, ${name}: ${JSON.stringify(await child.call('statements'))}`);
}
await Child.stopAll();
run(ROOT, 'git', 'worktree', 'remove', '--force', FOLDER);
