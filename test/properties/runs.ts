import type { Parameters } from 'fast-check';

import { engines, type EngineName } from '../support/engines.js';

/** How often each property is tried: 200 times in `npm test`, more in `test:race:full`. */
export const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 200);

/** Repeats one failing run: the seed and the path that fast-check printed. */
const seed = process.env['PROPERTY_SEED'];
const path = process.env['PROPERTY_PATH'];

/** For `fc.commands`, which keep the `replayPath` of their own. */
export const replay =
  process.env['PROPERTY_REPLAY'] === undefined
    ? {}
    : { replayPath: process.env['PROPERTY_REPLAY'] };

/** What every `fc.assert` gets. `share`: the part of the runs that a slow property is content with. */
export function runs<T = unknown>(share = 1): Parameters<T> {
  return {
    numRuns: Math.max(1, Math.ceil(RUNS * share)),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

/** Of a property without concurrency: all of it where a statement costs least, and half of that once more elsewhere. */
export const shareOf = (engine: EngineName): number => (engine === 'sqljs' ? 1 : 0.5);

/** For `it`: nothing here is about time, and a shared machine may be slow. */
export const DEADLINE_MS = 120_000 + RUNS * 1_000;

const wanted = (process.env['PROPERTY_ENGINES'] ?? 'sqljs,postgres').split(',');

/** Where properties are tried: one engine in this process, and one on which connections meet. */
export const propertyEngines: readonly EngineName[] = engines.filter((name) =>
  wanted.includes(name),
);
