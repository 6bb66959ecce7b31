import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/index.md');
let guide: Guide | undefined;

beforeAll(() => writePage(page));
afterEach(() => guide?.close());

describe('The start page of the documentation', () => {
  it('has an example application that sends a code and confirms it', async () => {
    guide = await startGuide(page);
    const body = { token: 'ann@example.com' };
    const asked = await guide.post('/2factor/request-confirmation', body).expect(200);
    const { id } = asked.body as { id: string };
    const code = guide.lastCode();
    const { body: confirmed } = await guide.post('/2factor/confirm', { id, code }).expect(200);
    expect(confirmed).toEqual({ id, confirmed: true });
  });

  it('describes the module in its tagline, and names the tasks that are new', () => {
    const [, tagline = ''] = /tagline: (.+)/.exec(page.text) ?? [];
    expect(tagline).toMatch(/^A NestJS module that [^.]+\.$/);
    for (const word of ['TOTP', 'Twilio', 'rate limit']) expect(page.text).toContain(word);
  });
});
