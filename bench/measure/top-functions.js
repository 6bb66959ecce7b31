import { median } from './statistics.js';

/** Waiting, and the profiler's own start. */
const LEFT_OUT = new Set(['(idle)', '(program)', 'dispatch']);

/**
 * Where a profile's time was spent, by the functions themselves and not by what they called; waiting is left out.
 *
 * @param {import('node:inspector').Profiler.Profile} profile
 * @returns {{ name: string, where: string, share: number }[]} the most expensive first
 */
export function topFunctions({ nodes, samples, timeDeltas }, count) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const functions = new Map();
  let total = 0;
  for (const [at, id] of samples.entries()) {
    const { functionName, url, lineNumber } = byId.get(id);
    // None of them has a place in a file.
    if (url === '' && LEFT_OUT.has(functionName)) continue;
    const time = timeDeltas[at];
    const where = url === '' ? 'Node' : `${placeOf(url)}:${lineNumber + 1}`;
    const key = `${functionName} ${where}`;
    const known = functions.get(key) ?? { name: functionName || '(anonymous)', where, time: 0 };
    known.time += time;
    functions.set(key, known);
    total += time;
  }
  return [...functions.values()]
    .toSorted((one, other) => other.time - one.time)
    .slice(0, count)
    .map(({ name, where, time }) => ({ name, where, share: time / total }));
}

/**
 * What takes longer, with all that it calls, in some profiles than in others; medians. Of Node itself only that V8 reads files.
 *
 * @param {readonly import('node:inspector').Profiler.Profile[]} more
 * @param {readonly import('node:inspector').Profiler.Profile[]} less
 * @returns {{ name: string, where: string, ms: number }[]} the most expensive first
 */
export function longerFunctions(more, less, count) {
  const [times, before] = [medianTimes(more), medianTimes(less)];
  return [...times]
    .filter(([, { name, where }]) => name === 'wrapSafe' || !/^Node$|^node:/.test(where))
    .map(([key, { name, where, ms }]) => ({ name, where, ms: ms - (before.get(key)?.ms ?? 0) }))
    .toSorted((one, other) => other.ms - one.ms)
    .slice(0, count);
}

function medianTimes(profiles) {
  const times = new Map();
  for (const [index, profile] of profiles.entries()) {
    for (const [key, { name, where, ms }] of timesWithCalled(profile)) {
      const known = times.get(key) ?? { name, where, all: profiles.map(() => 0) };
      known.all[index] = ms;
      times.set(key, known);
    }
  }
  for (const known of times.values()) known.ms = median(known.all);
  return times;
}

function timesWithCalled({ nodes, samples, timeDeltas }) {
  const times = new Map();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((at) => [at, id])));
  for (const [at, id] of samples.entries()) {
    // A function that calls itself has the time once.
    const seen = new Set();
    for (let node = byId.get(id); node !== undefined; node = byId.get(parents.get(node.id))) {
      const { functionName, url, lineNumber } = node.callFrame;
      const name = functionName || '(anonymous)';
      const where = url === '' ? 'Node' : `${placeOf(url)}:${lineNumber + 1}`;
      const key = `${name} ${where}`;
      if (seen.has(key) || LEFT_OUT.has(name) || name === '(root)') continue;
      seen.add(key);
      const known = times.get(key) ?? { name, where, ms: 0 };
      known.ms += timeDeltas[at] / 1_000;
      times.set(key, known);
    }
  }
  return times;
}

/** From the package's name on. */
function placeOf(url) {
  return url
    .split('/node_modules/')
    .at(-1)
    .replace(/^file:.*\/bench\//, 'bench/');
}
