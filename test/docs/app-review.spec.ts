// The reviewer's code must confirm for the reviewer's address alone, as the guide says.
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/app-review.md');
const REVIEW_CODE = '9f3a61c07b2e';
let guide: Guide;

const request = async (token: string): Promise<string> => {
  const answer = await guide.post('/2factor/request-confirmation', { token, purpose: 'login' });
  expect(answer.status).toBe(200);
  return (answer.body as { id: string }).id;
};
const confirm = async (id: string): Promise<number> =>
  (await guide.post('/2factor/confirm', { id, code: REVIEW_CODE })).status;

describe('Let app reviewers sign in', () => {
  beforeAll(async () => {
    await writePage(page);
    vi.stubEnv('REVIEW_CODE', REVIEW_CODE);
    vi.stubEnv('REVIEW_UNTIL', new Date(Date.now() + 86_400_000).toISOString());
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await guide.close();
  });

  it('confirms the reviewer by the code of the environment, and sends nothing', async () => {
    guide = await startGuide(page);

    expect(await confirm(await request('reviewer@example.com'))).toBe(200);
    expect(() => guide.lastCode()).toThrow('Nothing was sent.');
    expect(await confirm(await request('ann@example.com'))).not.toBe(200);
    expect(guide.lastCode()).not.toBe(REVIEW_CODE);
  });
});
