import type { Type } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmerService, DeliveryService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/send-after-the-commit.md');
let guide: Guide | undefined;

interface SignUps {
  begin(email: string, store: (manager: EntityManager) => Promise<void>): Promise<string>;
}

beforeAll(() => writePage(page));
afterEach(async () => {
  await guide?.close();
  guide = undefined;
});

describe('Send after the commit', () => {
  it('sends committed messages and none that was rolled back, and answers over HTTP whether one was sent', async () => {
    guide = await startGuide(page);
    const { app } = guide;
    const lastCode = (): string => guide!.lastCode();
    const post = (path: string, body: object): ReturnType<Guide['post']> => guide!.post(path, body);
    const { SignUps } = await load<{ SignUps: Type<SignUps> }>(page, 'sign-ups.ts');
    const signUps = app.get(SignUps);

    const failing = signUps.begin('ann@example.com', () => Promise.reject(new Error('taken')));
    await expect(failing).rejects.toThrow('taken');
    expect(await app.get(DeliveryService).sweep()).toBe(0);
    expect(() => lastCode()).toThrow('Nothing was sent.');

    const id = await signUps.begin('ann@example.com', () => Promise.resolve());
    await expect.poll(() => lastCode(), { timeout: 60_000 }).toMatch(/^\d{6}$/);
    await expect
      .poll(async () => (await post('/2factor/check', { id })).body, { timeout: 60_000 })
      .toMatchObject({ status: 'pending', delivery: 'sent' });
    expect((await app.get(ConfirmerService).confirm(id, lastCode()))[1]).toBe(true);
    const { body } = await post('/2factor/request-confirmation', { token: 'bob@example.com' });
    expect(body).toMatchObject({ delivery: 'queued' });
  });

  it('hands the manager of its transaction to the function that stores a row', async () => {
    guide = await startGuide(page);
    const { SignUps } = await load<{ SignUps: Type<SignUps> }>(page, 'sign-ups.ts');
    const signUps = guide.app.get(SignUps);
    const { manager: outer } = guide.app.get(DataSource);
    await outer.query('CREATE TABLE sign_up (email varchar(320))');

    const failing = signUps.begin('bob@example.com', async (manager) => {
      expect(manager.queryRunner?.isTransactionActive).toBe(true);
      await manager.query("INSERT INTO sign_up VALUES ('bob@example.com')");
      throw new Error('taken');
    });
    await expect(failing).rejects.toThrow('taken');
    await signUps.begin('ann@example.com', async (manager) => {
      await manager.query("INSERT INTO sign_up VALUES ('ann@example.com')");
    });

    expect(await outer.query('SELECT email FROM sign_up')).toEqual([{ email: 'ann@example.com' }]);
  });

  it('sweeps from a job', async () => {
    const { sweep } = await load<{ sweep: (signal: AbortSignal) => Promise<number> }>(
      page,
      'sweep.ts',
    );

    expect(await sweep(new AbortController().signal)).toBe(0);
  });
});
