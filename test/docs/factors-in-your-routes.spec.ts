import { scryptSync } from 'node:crypto';

import type { Type } from '@nestjs/common';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { ConfirmerService, FactorService, TwoFactorService } from '../../lib/index.js';
import { totpCode } from '../../lib/testing/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/factors-in-your-routes.md');
let guide: Guide;

interface AccountRow {
  readonly id: string;
  readonly passwordHash: string;
  readonly version: number;
}

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
  return askFor('change-app', { change });
}

async function askFor(purpose: string, details: object): Promise<{ id: string; method: string }> {
  const body = { purpose, details };
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

  it('resets a user who lost the phone, by a proof of an administrator for this user', async () => {
    await guide.close();
    const ann = { id: 'ann', phone: '+14155550123', role: 'administrator' };
    guide = await startGuide(page, { user: ann });
    await guide.app.get(DataSource).synchronize();
    const [factors, confirmer] = [guide.app.get(FactorService), guide.app.get(ConfirmerService)];
    const begun = await factors.enrol({ subject: 'bob', method: 'totp' });
    const code = (step: number): string =>
      totpCode(begun.secret, { now: () => Date.now() + step * 30_000 });
    await factors.activate({ subject: 'bob', factor: begun.factor.id, response: code(0) });
    const stolen = await confirmer.makeConfirmation({ subject: 'bob', methods: ['totp'] });
    await confirmer.confirm(stolen.id, { method: 'totp', code: code(1) });
    const sent = await guide.app
      .get(TwoFactorService)
      .request({ subject: 'bob', purpose: 'login', token: '+14155550199' });
    const sentCode = guide.lastCode();

    const { id } = await askFor('reset-user', { user: 'bob' });
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
    await call('post', '/support/users/carl/reset', id).expect(403);
    // Without an account nothing is erased, and the proof stays.
    await call('post', '/support/users/bob/reset', id).expect(404);
    expect((await confirmer.check(stolen.id))[1]).toBe(true);
    const { Account } = await load<{ Account: Type<AccountRow> }>(page, 'account.entity.ts');
    const { manager } = guide.app.get(DataSource);
    const known = { id: 'bob', passwordHash: 'known to the thief' };
    await manager.insert(Account, known);
    const reset = await call('post', '/support/users/bob/reset', id).expect(201);
    expect(reset.body).toEqual({
      erased: 11,
      password: expect.stringMatching(/^[\w-]{20}$/) as string,
    });
    const { passwordHash, version } = await manager.findOneByOrFail(Account, { id: 'bob' });
    expect(version).toBe(2);
    const { password } = reset.body as { password: string };
    const [salt = '', hash] = passwordHash.split(' ');
    expect(scryptSync(password, Buffer.from(salt, 'base64'), 32).toString('base64')).toBe(hash);
    await call('post', '/support/users/bob/reset', id).expect(409);
    expect(await factors.list({ subject: 'bob' })).toEqual([]);
    expect(await confirmer.use(stolen.id, { subject: 'bob' })).toBe(false);
    // The thief has the phone that the code went to.
    expect(await confirmer.confirm(sent.id, sentCode)).toEqual([null, false]);
  });

  it('resets no user for a caller who is no administrator', async () => {
    const body = { purpose: 'reset-user', details: { user: 'bob' } };
    const answers = [
      await guide.post('/2factor/request-confirmation', body),
      await call('post', '/support/users/bob/reset', ''),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403]);
  });

  it('has no bundled route of the factors', async () => {
    const { status } = await guide.post('/2factor/factors/list');
    expect(status).toBe(404);
  });
});
