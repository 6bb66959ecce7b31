import { ConsoleLogger, type Type } from '@nestjs/common';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { ConfirmerService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { listen } from '../support/listen.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/delete-an-account.md');
const CALLS = 20;
let guide: Guide;
let count: (entity: string) => Promise<number>;

beforeAll(() => writePage(page));
beforeEach(async () => {
  vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
  guide = await startGuide(page, { user: { id: 'ann' } });
  const entities = await load(page, 'account.entity.ts');
  const dataSource = guide.app.get(DataSource);
  await dataSource.synchronize();
  const { manager } = dataSource;
  count = (entity) => manager.count(entities[entity]!);
  await manager.insert(entities['Account']!, { id: 'ann', phone: '+14155550123' });
  await manager.insert(entities['Note']!, { id: 'note-1', owner: 'ann' });
  await listen(guide.app);
});
afterEach(async () => {
  await guide.close();
  vi.restoreAllMocks();
});

const confirmations = (): Promise<number> => {
  const { manager } = guide.app.get(DataSource);
  return manager.count('two_factor_confirmation');
};

const remove = (id: string): request.Test =>
  request(guide.app.getHttpServer() as string)
    .delete('/account')
    .set('X-Confirmation-Id', id);
const read = (): request.Test => request(guide.app.getHttpServer() as string).get('/account');

async function proved(): Promise<string> {
  const asked = await guide
    .post('/2factor/request-confirmation', { purpose: 'delete-account' })
    .expect(200);
  const { id } = asked.body as { id: string };
  await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
  return id;
}

describe('Delete an account', () => {
  it('deletes the account once of twenty calls at once, and the page learns it from the server', async () => {
    const id = await proved();
    await read().expect(200, { id: 'ann' });

    const answers = await Promise.all(Array.from({ length: CALLS }, () => remove(id)));

    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses[0]).toBe(200);
    expect(statuses.slice(1).filter((status) => status !== 403 && status !== 409)).toEqual([]);
    expect(await Promise.all(['Account', 'Note', 'Erasure'].map(count))).toEqual([0, 0, 0]);
    expect(await confirmations()).toBe(0);
    const { body } = await remove(id).expect(403);
    expect(body).toMatchObject({ error: 'no-subject' });
    await read().expect(401);
  });

  it('deletes nothing without a proof', async () => {
    await remove('').expect(403);
    expect(await Promise.all(['Account', 'Note'].map(count))).toEqual([1, 1]);
  });

  it('is finished by a job when the process ended before the erasure', async () => {
    const confirmer = guide.app.get(ConfirmerService);
    vi.spyOn(confirmer, 'erase').mockRejectedValueOnce(new Error('killed'));
    await remove(await proved()).expect(200, { deleted: true });
    expect(await count('Erasure')).toBe(1);
    expect(await confirmations()).toBe(1);

    const { ErasuresService } = await load<{
      ErasuresService: Type<{ finishAll(): Promise<void> }>;
    }>(page, 'erasures.service.ts');
    const erasures = guide.app.get(ErasuresService);
    await erasures.finishAll();
    await erasures.finishAll();

    expect(await count('Erasure')).toBe(0);
    expect(await confirmations()).toBe(0);
  });
});
