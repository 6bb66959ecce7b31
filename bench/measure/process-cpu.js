import { readdirSync, readFileSync } from 'node:fs';

/** The kernel counts in hundredths of a second. */
const MS_A_TICK = 10;

/**
 * CPU time of a server and its processes, in milliseconds, those that have ended included; `null` where there is no /proc.
 */
export function serverCpuMs(pid) {
  const server = timesOf(pid);
  if (server === null) return null;
  let ticks = server.own + server.ended;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const times = timesOf(Number(name));
    if (times?.parent === pid) ticks += times.own + times.ended;
  }
  return ticks * MS_A_TICK;
}

/** CPU time of some processes, in milliseconds: those of the connections of one database, so that no other one counts. */
export function cpuMsOf(pids) {
  return pids.reduce((sum, pid) => sum + (timesOf(pid)?.own ?? 0), 0) * MS_A_TICK;
}

/** proc(5): the name in parentheses may hold blanks, so the fields are counted after it. */
function timesOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system, endedUser, endedSystem] = rest.slice(9, 13).map(Number);
    return { parent: Number(parent), own: user + system, ended: endedUser + endedSystem };
  } catch {
    // It ended meanwhile.
    return null;
  }
}
