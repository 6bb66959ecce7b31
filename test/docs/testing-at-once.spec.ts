import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ConsoleLogger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { engines } from '../support/engines.js';
import { load, readPage, writePage } from '../support/snippets.js';

type Tests = Record<string, (() => Promise<void>) | undefined>;

const page = await readPage('docs/guides/testing-at-once.md');
await writePage(page);
const tests: Tests = {
  ...(await load<Tests>(page, 'at-once.spec.ts')),
  ...(await load<Tests>(page, 'queue.spec.ts')),
  ...(await load<Tests>(page, 'own-sender.spec.ts')),
  ...(await load<Tests>(page, 'two-instances.spec.ts')),
};
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'two-factor-'));
  vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

// The tests of the page keep their data in files of better-sqlite3.
describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'Test calls at once, queues and pages, on %s',
  () => {
    it.each([
      'paysOnceOfTwenty',
      'waitsForTheWorker',
      'sendsAgainAfterAnOutage',
      'sendsTheTextOfThePurpose',
    ])('%s', async (name) => {
      const test = tests[name];
      expect(test).toBeTypeOf('function');
      await test?.();
    });

    it('confirms on another instance with the same database and the same clock', async () => {
      vi.stubEnv('DATABASE_FILE', join(folder, 'two-instances.db'));
      await expect(tests['confirmsOnTheOtherInstance']?.()).resolves.toBeUndefined();
    });
  },
);
