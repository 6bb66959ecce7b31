import { ConsoleLogger } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/remembered-devices.md');
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
  guide = await startGuide(page, { user: { id: 'ann' } });
});
afterEach(async () => {
  await guide.close();
  vi.restoreAllMocks();
});

interface Requested {
  readonly id: string;
  readonly method: string;
}

async function requested(cookie = ''): Promise<Requested> {
  const answer = await guide
    .post('/2factor/request-confirmation', { purpose: 'login' })
    .set('cookie', cookie)
    .expect(200);
  return answer.body as Requested;
}

/** Logs in by a sent code, and keeps the cookie. */
async function rememberedCookie(): Promise<string> {
  const { id, method } = await requested();
  expect(method).toBe('code');
  await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
  const answer = await guide.post('/login', { confirmation: id, remember: true }).expect(201);
  const [cookie] = answer.headers['set-cookie'] as unknown as string[];
  expect(cookie).toMatch(/; HttpOnly; Secure; SameSite=Lax$/);
  return cookie!.split(';', 1)[0]!;
}

describe('Remembered devices', () => {
  it('log in without a code, until they are forgotten', async () => {
    const cookie = await rememberedCookie();

    const { id, method } = await requested(cookie);
    expect(method).toBe('device');
    await guide
      .post('/2factor/confirm', { id, method })
      .set('cookie', cookie)
      .expect(200, { id, confirmed: true });
    const again = await guide.post('/login', { confirmation: id, remember: true }).expect(201);
    expect(again.headers['set-cookie']).toBeUndefined();
    await guide.post('/login/forget-devices').expect(201, { forgotten: 1 });
    expect(await requested(cookie)).toMatchObject({ method: 'code' });
  });
});
