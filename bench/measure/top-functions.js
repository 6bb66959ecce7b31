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

/** From the package's name on. */
function placeOf(url) {
  return url
    .split('/node_modules/')
    .at(-1)
    .replace(/^file:.*\/bench\//, 'bench/');
}
