import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';

import { TwoFactorService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/operate-it.md');
let guide: Guide;

beforeAll(async () => {
  await writePage(page);
  guide = await startGuide(page);
});
afterAll(() => guide.close());

describe('Operate it', () => {
  it('answers whether messages leave', async () => {
    await guide.app.get(TwoFactorService).request({ token: 'ann@example.com' });
    const { body } = await request(guide.app.getHttpServer() as string)
      .get('/health/messages')
      .expect(200);

    expect(body).toMatchObject({
      status: 'ok',
      details: { 'two-factor': { status: 'up', passedOver: [] } },
    });
  });
});
