// The pages for an engineer who takes the code over name the files where a thing is done, and the tests that prove it. A page
// that names a file which is gone misleads.
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { FOLDERS, missingPaths, namedPaths } from '../support/named-paths.js';

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
    expect(namedPaths(page, 'test')).not.toEqual([]);
    expect(missingPaths(FOLDERS.flatMap((folder) => namedPaths(page, folder)))).toEqual([]);
  });
});

it('finds a path that is gone in each of the folders', () => {
  const page = FOLDERS.map((folder) => `\`${folder}/gone.md\``).join(', ');

  expect(missingPaths(FOLDERS.flatMap((folder) => namedPaths(page, folder)))).toHaveLength(
    FOLDERS.length,
  );
});
