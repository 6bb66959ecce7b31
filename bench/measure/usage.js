import { setTimeout as sleep } from 'node:timers/promises';

/** What this process has used up so far. */
export function usage(statements) {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1_000, statements, rss: process.memoryUsage.rss() };
}

/** Of a process with `--expose-gc`; what is freed goes back to the system a little later. */
export async function rssAfterGc() {
  for (let time = 0; time < 3; time += 1) {
    globalThis.gc();
    await sleep(300);
  }
  return process.memoryUsage.rss();
}
