import type { Parameters } from 'fast-check';

import { engines, type EngineName } from '../support/engines.js';

/** How often each property is tried: 50 times in each round of `.ci/run`, up to 1,000 times every night, and more in `test:race:full`. */
export const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 100);

/** Repeats one failing run: the seed and the path that fast-check printed. */
const seed = process.env['PROPERTY_SEED'];
const path = process.env['PROPERTY_PATH'];

/** For `fc.commands`, which keep the `replayPath` of their own. */
export const replay =
  process.env['PROPERTY_REPLAY'] === undefined
    ? {}
    : { replayPath: process.env['PROPERTY_REPLAY'] };

/** What every `fc.assert` gets. `times`: how many times the runs, for what costs nothing. */
export function runs<T = unknown>(times = 1): Parameters<T> {
  return {
    numRuns: RUNS * times,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

/** For `it`: nothing here is about time, and a shared machine may be slow. */
export const DEADLINE_MS = 300_000 + RUNS * 1_000;

const wanted = (process.env['PROPERTY_ENGINES'] ?? 'sqljs,postgres').split(',');

/** Where properties are tried: one engine in this process, and one on which connections meet. */
export const propertyEngines: readonly EngineName[] = engines.filter((name) =>
  wanted.includes(name),
);
