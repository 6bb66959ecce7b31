import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/start.md');
let guide: Guide | undefined;

beforeAll(() => writePage(page));
afterEach(() => guide?.close());

describe('In five minutes', () => {
  it('a mailbox is confirmed, and subscribes once', async () => {
    guide = await startGuide(page);
    const asked = await guide.post('/2factor/request-confirmation', { token: 'ann@example.com' });
    const { id } = asked.body as { id: string };
    await guide.post('/newsletter', { confirmation: id }).expect(403);

    const code = guide.lastCode();
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
    await guide.post('/2factor/confirm', { id, code: spaced }).expect(200);

    const subscribed = await guide.post('/newsletter', { confirmation: id }).expect(201);
    expect(subscribed.body).toEqual({ subscribed: 'ann@example.com' });
    await guide.post('/newsletter', { confirmation: id }).expect(403);
    const malformed = await guide.post('/newsletter', { confirmation: 7 }).expect(400);
    expect(malformed.body).toMatchObject({ error: 'invalid-request' });
  });
});
