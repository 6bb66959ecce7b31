// The table of `npm run test:planted` stays true between its nightly runs: each fault can still be planted, and the page that
// reviewers read shows the table.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';

import { FAULTS } from '../planted-faults/faults.js';
import { pageOf } from '../planted-faults/page.js';
import { FINDINGS, withFault } from '../planted-faults/planted-fault.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = `${ROOT}docs/planted-faults.md`;
/** Findings of several parts, each of which has a fault of its own. */
const OF_SEVERAL_PARTS = [3, 4, 5, 6, 8, 10, 13];

describe('The planted faults', () => {
  it('are one at least for each finding, and two at least for a finding of several parts', () => {
    const counts = FINDINGS.map(
      (_, index) => FAULTS.filter(({ finding }) => finding === index + 1).length,
    );
    expect(counts).toHaveLength(13);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    for (const finding of OF_SEVERAL_PARTS) expect(counts[finding - 1]).toBeGreaterThan(1);
  });

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
    const page = await format(pageOf(FAULTS), { ...(await resolveConfig(PAGE)), filepath: PAGE });
    await expect(page).toMatchFileSnapshot(PAGE);
  });
});
