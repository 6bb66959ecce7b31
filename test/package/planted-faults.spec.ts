// The table of `npm run test:planted` stays true between its nightly runs: each fault can still be planted, and the page that
// reviewers read shows the table.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';

import { LISTS } from '../planted-faults/faults.js';
import { pageOf } from '../planted-faults/page.js';
import { withFault } from '../planted-faults/planted-fault.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = `${ROOT}docs/planted-faults.md`;
const FAULTS = LISTS.flatMap(({ faults }) => faults);
/** Each list with the number of its findings, and those of several parts, each of which has a fault of its own. */
const FINDINGS = [
  ['security', 13, [3, 4, 5, 6, 8, 10, 13]],
  ['deployments', 20, [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20]],
] as const;

describe('The planted faults', () => {
  it.each(FINDINGS)(
    'of the list %s are one at least for each of its %i findings, and two at least for a finding of several parts',
    (name, count, ofSeveralParts) => {
      const { findings, faults } = LISTS.find((list) => list.name === name)!;
      const counts = findings.map(
        (_, index) => faults.filter(({ finding }) => finding === index + 1).length,
      );
      expect(counts).toHaveLength(count);
      expect(Math.min(...counts)).toBeGreaterThan(0);
      for (const finding of ofSeveralParts) {
        expect(counts[finding - 1], `${name} ${finding}`).toBeGreaterThan(1);
      }
      expect(faults).toHaveLength(counts.reduce((sum, each) => sum + each, 0));
    },
  );

  it.each(FAULTS)('can be planted, and have a spec that exists: $sentence', async (fault) => {
    const text = await readFile(ROOT + fault.file, 'utf8');
    expect(withFault(text, fault)).not.toBe(text);
    expect(existsSync(ROOT + fault.spec)).toBe(true);
    expect(fault.sentence).toMatch(/^[A-Z@0-9].*\.$/);
  });

  it('are refused when the text to be replaced is in the file twice, or not at all', () => {
    const [fault] = FAULTS;
    for (const text of ['', `${fault!.replace}\n${fault!.replace}`]) {
      expect(() => withFault(text, fault!)).toThrow('instead of once');
    }
  });

  it('are those of docs/planted-faults.md', async () => {
    const page = await format(pageOf(LISTS), { ...(await resolveConfig(PAGE)), filepath: PAGE });
    await expect(page).toMatchFileSnapshot(PAGE);
  });
});
