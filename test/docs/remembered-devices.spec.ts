import { ConsoleLogger } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/remembered-devices.md');
let guide: Guide;

/** The user, whom a middleware of `app.use` would put on the request of Node, which a resolver does not get on Fastify. */
function fastify(): FastifyAdapter {
  const adapter = new FastifyAdapter();
  adapter.getInstance().addHook('onRequest', (call, _, next) => {
    Object.assign(call, { user: { id: 'ann' } });
    next();
  });
  return adapter;
}

beforeAll(() => writePage(page));

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

describe.each(['Express', 'Fastify'])('Remembered devices, on %s', (platform) => {
  beforeEach(async () => {
    vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
    if (platform === 'Express') guide = await startGuide(page, { user: { id: 'ann' } });
    else {
      guide = await startGuide(page, { adapter: fastify() });
      await (guide.app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    }
  });
  afterEach(async () => {
    await guide.close();
    vi.restoreAllMocks();
  });

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
