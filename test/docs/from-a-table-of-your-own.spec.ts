import type { Type } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/from-a-table-of-your-own.md');
let guide: Guide;
let login: LoginService;
let dataSource: DataSource;

interface LoginService {
  start(userId: string, email: string): Promise<string>;
  finish(userId: string, confirmation: string | null, code: string): Promise<boolean>;
}

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page);
  const { LoginService } = await load<{ LoginService: Type<LoginService> }>(
    page,
    'login.service.ts',
  );
  login = guide.app.get(LoginService);
  dataSource = guide.app.get(DataSource);
  // The table as it was before, and two codes: one lives, one is over.
  await dataSource.query(
    'CREATE TABLE login_code (id integer PRIMARY KEY AUTOINCREMENT, userId varchar, code varchar, expiresAt bigint, usedAt bigint)',
  );
  const insert = 'INSERT INTO login_code (userId, code, expiresAt) VALUES (?, ?, ?)';
  await dataSource.query(insert, ['ann', '111111', Date.now() + 60_000]);
  await dataSource.query(insert, ['ann', '222222', Date.now() - 1]);
});
afterEach(() => guide.close());

describe('From a table of your own', () => {
  it('old codes are taken once until they end', async () => {
    expect(await login.finish('bob', null, '111111')).toBe(false);
    expect(await login.finish('ann', null, '222222')).toBe(false);
    const tries = [1, 2, 3].map(() => login.finish('ann', null, '111111'));
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  });

  it('new codes are confirmed and used once, by whom they were for', async () => {
    await dataSource.runMigrations();
    const id = await login.start('ann', 'ann@example.com');
    const code = guide.lastCode();

    expect(await login.finish('bob', id, code)).toBe(false);
    expect(await login.finish('ann', id, code)).toBe(true);
    expect(await login.finish('ann', id, code)).toBe(false);
  });

  it('the last migration drops the table', async () => {
    await dataSource.runMigrations();
    const found: unknown = await dataSource.query(
      "SELECT name FROM sqlite_master WHERE name = 'login_code'",
    );
    expect(found).toEqual([]);
  });
});
