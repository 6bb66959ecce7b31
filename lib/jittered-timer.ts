const JITTER = 0.2;

/**
 * Runs `work` once after `ms` milliseconds, up to a fifth sooner or later: instances that start together after a deployment must not work
 * together for ever. The timer keeps no process alive.
 */
export function jitteredTimer(ms: number, work: () => void): NodeJS.Timeout {
  const factor = 1 - JITTER + Math.random() * 2 * JITTER;
  return setTimeout(work, ms * factor).unref();
}
