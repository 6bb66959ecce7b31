import type { Type } from '@nestjs/common';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/from-wc-django-2factor.md');
let guide: Guide;

beforeAll(() => writePage(page));
afterEach(() => guide.close());

describe('From wc-django-2factor', () => {
  it('serves the paths, bodies and eight-digit codes that the front end of wc-django-2factor expects', async () => {
    guide = await startGuide(page);
    const { CustomBackend } = await load<{ CustomBackend: Type<{ messages: string[] }> }>(
      page,
      'custom.backend.ts',
    );
    const { messages } = guide.app.get(CustomBackend);

    const asked = await guide
      .post('/api/v1/auth/2factor/request-confirmation/', {
        token: '+380501234567',
        way: 'default',
      })
      .expect(200);
    const { id } = asked.body as { id: string };
    expect(messages).toEqual([
      expect.stringMatching(/^Phone sender to \+380501234567: \d{8} \{\}$/),
    ]);
    const code = /\d{8}(?= )/.exec(messages[0]?.split(': ')[1] ?? '')?.[0] ?? '';

    const wrong = code === '12345678' ? '87654321' : '12345678';
    const refused = await guide.post('/api/v1/auth/2factor/confirm/', { id, code: wrong });
    expect(refused.body).toMatchObject({ status: 422, error: 'code-mismatch', attemptsLeft: 4 });
    const confirmed = await guide.post('/api/v1/auth/2factor/confirm/', { id, code }).expect(200);
    expect(confirmed.body).toEqual({ id, confirmed: true });
  });
});
