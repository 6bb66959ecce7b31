import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { searchForCodes } from '../support/search-for-codes.js';

const CODE = 'BCDFGHJKLMNPQRSTVWXZ';

describe('The search for issued codes in all output', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'two-factor-canaries-'));
    await writeFile(join(folder, 'codes.1.log'), `ZXWVTSRQPNMLKJHGFDCB\n${CODE}\n`);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const output = (line: string) => writeFile(join(folder, 'output.2.log'), `harmless\n${line}\n`);

  it('finds a planted code, whatever characters surround it', async () => {
    await output(`[sql] UPDATE t SET code = 'QQ${CODE}BB' -- by mistake`);

    expect(await searchForCodes(folder)).toMatchObject({
      codes: 2,
      lines: 2,
      found: [expect.stringContaining('by mistake')],
    });
  });

  it('finds nothing in clean output', async () => {
    await output('[log] a code of 20 consonants that was never issued: BBBBBBBBBBBBBBBBBBBB');

    expect((await searchForCodes(folder)).found).toEqual([]);
  });
});
