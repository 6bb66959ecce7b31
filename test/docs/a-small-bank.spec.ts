import type { INestApplication, Type } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { SECRET } from '../support/test-app.js';

const page = await readPage('docs/guides/a-small-bank.md');
const user = { id: 'ann', email: 'ann@bank.example', phone: '+15555550100' };

beforeAll(() => writePage(page));

describe.each(engines.filter((engine) => engine === 'postgres'))(
  'A small bank, on %s',
  (engine) => {
    let database: TestDatabase;
    let guide: Guide | undefined;
    const variables = ['DATABASE_URL', 'TWO_FACTOR_SECRET'] as const;

    beforeAll(async () => {
      database = await openDatabase(engine);
      process.env['DATABASE_URL'] = 'url' in database.options ? database.options.url : '';
      process.env['TWO_FACTOR_SECRET'] = SECRET;
    });
    afterEach(async () => {
      await guide?.close();
      guide = undefined;
    });
    afterAll(async () => {
      for (const name of variables) delete process.env[name];
      await database.drop();
    });

    it('changes a phone number and makes a transfer, each on one proof', async () => {
      guide = await startGuide(page, { file: 'bank.module.ts', module: 'BankModule', user });
      const { app } = guide;
      const post = (path: string, body: object) => guide!.post(path, body);
      // The reader's own migration.
      await app
        .get(DataSource)
        .query('CREATE TABLE transfer (id varchar(36) PRIMARY KEY, amount varchar, payee varchar)');
      const sent = await messagesOf(app);
      const lastCode = (): string => /^\d{6}/.exec(sent.at(-1)?.text ?? '')?.[0] ?? '';
      const confirm = (id: string) =>
        post('/api/v1/auth/2factor/confirm', { id, code: lastCode() }).expect(200);

      const asked = await post('/phones/ask', { phone: '+15555550123' }).expect(201);
      const { id } = asked.body as { id: string };
      await post('/phones/change', { confirmation: id }).expect(409);
      await confirm(id);
      const changed = await post('/phones/change', { confirmation: id }).expect(201);
      expect(changed.body).toEqual({ phone: '+15555550123' });
      await post('/phones/change', { confirmation: id }).expect(409);
      await post('/phones/ask', { phone: 'not a number' }).expect(422);

      const details = { amount: '10.00', payee: 'bob' };
      const stepUp = await post('/api/v1/auth/2factor/request-confirmation', {
        purpose: 'transfer',
        details,
      }).expect(200);
      expect(sent.at(-1)?.to).toBe(user.phone);
      const proof = (stepUp.body as { id: string }).id;
      await confirm(proof);
      const transfer = (body: object) => post('/transfers', body).set('X-Confirmation-Id', proof);
      await transfer({ ...details, amount: '10000.00' }).expect(403);
      await transfer(details).expect(201);
      await transfer(details).expect(409);
      await post('/transfers', details).expect(403);
    });
  },
);

async function messagesOf(app: INestApplication): Promise<{ to: string; text: string }[]> {
  const { SmsGateway } = await load<{
    SmsGateway: Type<{ sent: { to: string; text: string }[] }>;
  }>(page, 'sms.backend.ts');
  return app.get(SmsGateway).sent;
}
