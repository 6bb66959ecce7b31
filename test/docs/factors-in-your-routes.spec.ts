import request from 'supertest';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { FactorService } from '../../lib/index.js';
import { totpCode } from '../../lib/testing/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/factors-in-your-routes.md');
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  // The time stands still, so that no code ends between the app and the server.
  vi.useFakeTimers({ toFake: ['Date'] });
  guide = await startGuide(page, { user: { id: 'ann', phone: '+14155550123' } });
});
afterEach(async () => {
  vi.useRealTimers();
  await guide.close();
});

function call(method: 'delete' | 'post', path: string, proof: string): request.Test {
  const server = request(guide.app.getHttpServer() as string);
  return server[method](path).set('x-confirmation-id', proof);
}

async function ask(change: string): Promise<{ id: string; method: string }> {
  const body = { purpose: 'change-app', details: { change } };
  const answer = await guide.post('/2factor/request-confirmation', body).expect(200);
  return answer.body as { id: string; method: string };
}

interface Begun {
  readonly factor: { readonly id: string };
  readonly secret: string;
}

async function begin(): Promise<Begun> {
  const { id, method } = await ask('add');
  expect(method).toBe('code');
  await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
  await call('delete', '/app', id).expect(403);
  const begun = await call('post', '/app', id).expect(201);
  await call('post', '/app', id).expect(409);
  return begun.body as Begun;
}

describe('Apps and passkeys in routes of your own', () => {
  it('names every call of FactorService', () => {
    const internal = new Set(['constructor', 'enrolled', 'requiring', 'tryActivate']);
    const calls = Object.getOwnPropertyNames(FactorService.prototype);
    for (const name of calls.filter((each) => !internal.has(each))) {
      expect(page.text).toContain(`| \`${name}({`);
    }
  });

  it('adds an app by a sent code, and removes it by the app with its recovery codes', async () => {
    await call('post', '/app', '').expect(403);
    const { factor, secret } = await begin();
    const code = (step: number): string =>
      totpCode(secret, { now: () => Date.now() + step * 30_000 });
    const wrong = code(0) === '123456' ? '654321' : '123456';
    await guide.post('/app/activate', { factor: factor.id, response: wrong }).expect(422);
    const activated = await guide
      .post('/app/activate', { factor: factor.id, response: code(0) })
      .expect(201);
    expect(activated.body).toMatchObject({ recoveryCodes: { length: 10 } });
    await guide.post('/app/activate', { factor: factor.id, response: code(1) }).expect(404);

    const { id, method } = await ask('remove');
    expect(method).toBe('totp');
    await guide.post('/2factor/confirm', { id, method: 'totp', code: code(1) }).expect(200);
    await call('post', '/app', id).expect(403);
    await call('delete', '/app', id).expect(200);
    await call('delete', '/app', id).expect(409);
    expect(await guide.app.get(FactorService).list({ subject: 'ann' })).toEqual([]);
  });

  it('refuses a proof by a sent code that was confirmed before the person had an app', async () => {
    const { id } = await ask('add');
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
    const { factor, secret } = await begin();
    const response = totpCode(secret, { now: () => Date.now() });
    await guide.post('/app/activate', { factor: factor.id, response }).expect(201);

    const refused = await call('post', '/app', id);
    expect(refused.status).toBe(403);
  });

  it('has no bundled route of the factors', async () => {
    const { status } = await guide.post('/2factor/factors/list');
    expect(status).toBe(404);
  });
});
