import type { Type } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/step-up-for-a-payment.md');
let guide: Guide;

beforeAll(() => writePage(page));
afterEach(() => guide.close());

describe('Step-up for a payment', () => {
  it('pays what was approved, once, and nothing else', async () => {
    guide = await startGuide(page, { user: { id: 'ann', phone: '+14155550123' } });
    const { SmsGateway } = await load<{
      SmsGateway: Type<{ sent: { to: string; text: string }[] }>;
    }>(page, 'sms.backend.ts');
    const { sent } = guide.app.get(SmsGateway);
    // The reader's own migration.
    await guide.app
      .get(DataSource)
      .query('CREATE TABLE payment (id varchar(36) PRIMARY KEY, amount varchar, payee varchar)');
    const details = { amount: '10.00', payee: 'bob' };
    const ask = (more: object = {}) =>
      guide.post('/2factor/request-confirmation', { purpose: 'payment', details, ...more });

    await ask({ token: '+15555550100' }).expect(400);
    for (const wrong of [undefined, { amount: '10.00' }, { ...details, note: 'x' }]) {
      const refused = await ask({ details: wrong }).expect(400);
      expect(refused.body).toHaveProperty(
        'detail',
        expect.stringContaining('Declared: amount, payee.'),
      );
    }
    const asked = await ask().expect(200);
    const { id } = asked.body as { id: string };
    expect(sent).toEqual([
      { to: '+14155550123', text: expect.stringMatching(/^\d{6} pays 10\.00 to bob\./) as string },
    ]);
    const pay = (body: object) => guide.post('/payments', body).set('X-Confirmation-Id', id);
    await pay(details).expect(403);
    const code = /^\d{6}/.exec(sent[0]?.text ?? '')?.[0];
    await guide.post('/2factor/confirm', { id, code }).expect(200);

    await pay({ amount: '10.00' }).expect(400);
    await pay({ ...details, amount: '10000.00' }).expect(403);
    await guide.post('/payments', details).expect(403);
    const paid = await pay(details).expect(201);
    expect(paid.body).toEqual({ paid: '10.00' });
    await pay(details).expect(409);
    expect(await guide.app.get(DataSource).query('SELECT * FROM payment')).toEqual([
      { id, ...details },
    ]);
  });
});
