// The pages for an engineer who takes the code over name the files where a thing is done, and the tests that prove it. A page
// that names a file which is gone misleads.
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { missingPaths, namedPaths } from '../support/named-paths.js';

/** Files of branches that are being merged. Delete this list when all of them are here. */
const UNMERGED = new Set([
  'lib/confirmation/create/confirmation-creator.ts',
  'lib/confirmation/create/new-row.ts',
  'lib/confirmation/model/parse-input.ts',
  'lib/confirmation/store/atomic.writer.ts',
  'lib/confirmation/store/confirmation-writer.ts',
  'lib/confirmation/store/stepwise.writer.ts',
  'lib/confirmation/use/confirmation-redeemer.ts',
  'lib/confirmation/verify/code-method.ts',
  'lib/confirmation/verify/confirmation-method.ts',
  'lib/confirmation/verify/confirmation-verifier.ts',
  'lib/database/batching/batch-dispatcher.ts',
  'lib/database/capabilities.ts',
  'lib/database/execution/own-connection-executor.ts',
  'lib/database/execution/transaction-executor.ts',
  'lib/delivery/backend-caller.ts',
  'lib/delivery/delivery-queue.ts',
  'lib/delivery/delivery-recorder.ts',
  'lib/delivery/direct-delivery.ts',
  'lib/limits/quota-ledger.ts',
]);

const PAGES = [
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/invariants.md',
  'docs/security.md',
  'docs/threats.md',
];

describe.each(PAGES)('%s', (name) => {
  it('names only files and tests that exist', async () => {
    const page = await readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
    const files = namedPaths(page, 'lib').filter((path) => !UNMERGED.has(path));
    const tests = namedPaths(page, 'test');
    expect(tests).not.toEqual([]);
    expect(missingPaths([...files, ...tests])).toEqual([]);
  });
});
