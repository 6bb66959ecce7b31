import { quantile } from './statistics.js';

/**
 * Callers that begin the next cycle when the last one has ended, for some seconds or some number of cycles.
 *
 * @param {{ callers: number, seconds?: number, cycles?: number }} amount
 * @param {(caller: number) => Promise<void>} cycle
 */
export async function load(
  { callers, seconds = Number.POSITIVE_INFINITY, cycles = Number.POSITIVE_INFINITY },
  cycle,
) {
  const latencies = [];
  const begin = performance.now();
  const end = begin + seconds * 1_000;
  let begun = 0;
  const call = async (caller) => {
    for (let now = begin; now < end && begun < cycles;) {
      begun += 1;
      await cycle(caller);
      const done = performance.now();
      latencies.push(done - now);
      now = done;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  const elapsed = (performance.now() - begin) / 1_000;
  const sorted = Float64Array.from(latencies).toSorted();
  return {
    cycles: sorted.length,
    perSecond: sorted.length / elapsed,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
  };
}
