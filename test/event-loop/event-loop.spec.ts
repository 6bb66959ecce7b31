// Threat: one request that keeps the event loop busy, and with it all other requests (issue 17, number 1). Texts that are
// slow to read are fed to every entry that takes text of a client or of a provider. The work is done in child processes.
import { describe, expect, it } from 'vitest';

import { runGroup, type Run } from './run-worker.js';

const GROUPS = [
  'the services and their messages',
  'Express and Fastify',
  'the routes of the factors and the answers of providers',
  'microservices and GraphQL',
  'the responses of passkeys',
];
/** Much longer than any text may take on the busiest machine: only what has no end reaches it. */
const HANG_MS = 30_000;
const TIMEOUT_MS = 300_000;

describe('A text that is slow to read', () => {
  const runs: Run[] = [];

  it.concurrent.each(GROUPS)(
    'does not block the event loop longer than its entry allows when it comes in by %s',
    async (group) => {
      const run = await runGroup(group, HANG_MS);

      expect(run.slow).toEqual([]);
      // Refused before it was read it would prove nothing.
      const unreached = run.entries.filter(({ outcomes, reaches }) => !(reaches in outcomes));
      expect(unreached).toEqual([]);
      runs.push(run);
    },
    TIMEOUT_MS,
  );

  it('was searched for among at least 10,000 texts', () => {
    expect(runs.reduce((sum, { texts }) => sum + texts, 0)).toBeGreaterThanOrEqual(10_000);
  });
});

describe('The measurement', () => {
  it(
    'finds a text that never comes to an end when the naive expression is planted',
    async () => {
      const { slow } = await runGroup('naive: an expression that is built from the token', 5_000);

      expect(slow).toHaveLength(1);
      expect(slow[0]).toMatch(/^an echoing backend did not end within 5000 ms for "[-. ]/);
    },
    TIMEOUT_MS,
  );

  it(
    'finds a text that takes too long when a polynomial expression is planted',
    async () => {
      const { slow } = await runGroup('naive: a literal that is not linear', HANG_MS);

      expect(slow.length).toBeGreaterThan(0);
      for (const line of slow) expect(line).toMatch(/^a literal took \d+ ms for /);
    },
    TIMEOUT_MS,
  );
});
