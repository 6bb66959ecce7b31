import { ConsoleLogger, type Type } from '@nestjs/common';
import type request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { FactorService } from '../../lib/index.js';
import { enrolledApp, totpCode } from '../../lib/testing/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

interface AccountRow {
  readonly passwordHash: string;
  readonly version: number;
}

const page = await readPage('docs/guides/change-a-password.md');
const CURRENT = 'correct horse battery';
const CHANGE = { current: CURRENT, password: 'another horse battery' };
const LATER = { now: () => Date.now() + 30_000 };
let guide: Guide;
let account: () => Promise<AccountRow>;
let isPassword: (password: string, stored: string) => Promise<boolean>;

beforeAll(() => writePage(page));
beforeEach(async () => {
  vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
  guide = await startGuide(page, { user: { id: 'ann' } });
  const entities = await load<{
    Account: Type<AccountRow>;
    hashOf: (password: string) => Promise<string>;
    isPassword: (password: string, stored: string) => Promise<boolean>;
  }>(page, 'account.entity.ts');
  const dataSource = guide.app.get(DataSource);
  await dataSource.synchronize();
  const { Account } = entities;
  ({ isPassword } = entities);
  const passwordHash = await entities.hashOf(CURRENT);
  await dataSource.manager.insert(Account, { id: 'ann', passwordHash } as object);
  account = () => dataSource.manager.findOneByOrFail(Account, { id: 'ann' } as object);
});
afterEach(async () => {
  await guide.close();
  vi.restoreAllMocks();
});

async function requested(): Promise<{ id: string; method: string }> {
  const body = { purpose: 'change-password' };
  const answer = await guide.post('/2factor/request-confirmation', body).expect(200);
  return answer.body as { id: string; method: string };
}

const change = (id: string, body: object = CHANGE): request.Test =>
  guide.post('/password', body).set('X-Confirmation-Id', id);

describe('Change a password', () => {
  it('changes it once by a code, forgets the devices and ends the other sessions', async () => {
    const factors = guide.app.get(FactorService);
    const forgotten = vi.spyOn(factors, 'forgetDevices');
    const { id, method } = await requested();
    expect(method).toBe('code');
    await change(id).expect(403);
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);

    await change(id, { ...CHANGE, password: 'short' }).expect(400);
    await change(id, { ...CHANGE, current: 'wrong' }).expect(403);
    expect((await account()).version).toBe(1);
    await change(id).expect(200, { changed: true });

    const { passwordHash, version } = await account();
    expect(await isPassword(CHANGE.password, passwordHash)).toBe(true);
    expect(await isPassword(CURRENT, passwordHash)).toBe(false);
    expect(version).toBe(2);
    expect(forgotten).toHaveBeenCalledOnce();
    await change(id, { ...CHANGE, current: CHANGE.password }).expect(409);
  });

  it('asks a person who has an authenticator app for its code, and takes no sent one', async () => {
    const sent = await requested();
    await guide.post('/2factor/confirm', { id: sent.id, code: guide.lastCode() }).expect(200);
    const factors = guide.app.get(FactorService);
    const { secret } = await enrolledApp(factors, {
      subject: 'ann',
      clock: { now: () => Date.now() },
    });
    await change(sent.id).expect(403);

    const { id, method } = await requested();
    expect(method).toBe('totp');
    await guide.post('/2factor/confirm', { id, method, code: totpCode(secret, LATER) }).expect(200);
    await change(id).expect(200);
  });
});
