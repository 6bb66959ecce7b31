// The pages for an engineer who takes the code over name the files and members where a thing is done, and the tests that prove it. A
// page that names one which is gone misleads.
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { membersOf, membersOfLib, namedMembers } from '../support/named-members.js';
import { FOLDERS, missingPaths, namedPaths } from '../support/named-paths.js';

const MEMBERS = await membersOfLib();
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

  it('names only members that a class of lib has', async () => {
    const page = await readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
    expect(namedMembers(page).filter((member) => !MEMBERS.has(member))).toEqual([]);
  });
});

it('finds a path that is gone in each of the folders', () => {
  const page = FOLDERS.map((folder) => `\`${folder}/gone.md\``).join(', ');

  expect(missingPaths(FOLDERS.flatMap((folder) => namedPaths(page, folder)))).toHaveLength(
    FOLDERS.length,
  );
});

it('finds the members that a page names, and those that a class has', () => {
  const page = 'See `One.member`, `One.#member`, `One.call()`, `README.md` and `file.ts`.';
  const source = 'class One { member = 1; #member = 2; call(): void {} }';

  expect(namedMembers(page)).toEqual(['One.member', 'One.#member', 'One.call']);
  expect(membersOf(source)).toEqual(namedMembers(page));
  expect(MEMBERS).toContain('QuotaLedger.consumeFailure');
  expect(MEMBERS).not.toContain('QuotaLedger.gone');
});
