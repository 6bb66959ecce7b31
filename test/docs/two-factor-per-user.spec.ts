import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/two-factor-per-user.md');
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page, { user: { id: 'ann', phone: '+14155550123' } });
  const dataSource = guide.app.get(DataSource);
  // The reader's own migration.
  await dataSource.query(
    'CREATE TABLE account (id varchar(36) PRIMARY KEY, phone varchar(16), twoFactor boolean DEFAULT 0)',
  );
  await dataSource.query("INSERT INTO account VALUES ('ann', '+14155550123', 0)");
});
afterEach(() => guide.close());

const put = (on: boolean, proof = '') =>
  request(guide.app.getHttpServer() as string)
    .put('/security/two-factor')
    .set('x-confirmation-id', proof)
    .send({ on });

async function proofFor(on: boolean): Promise<string> {
  const body = { purpose: 'two-factor', details: { on } };
  const asked = await guide.post('/2factor/request-confirmation', body).expect(200);
  const { id } = asked.body as { id: string };
  await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
  return id;
}

describe('Switch two-factor on and off per user', () => {
  it('requests a code at the sign-in of users that switched it on, and of no others', async () => {
    await guide.post('/login', { name: 'ann' }).expect(201, { signedIn: 'ann' });
    await put(true, await proofFor(true)).expect(200, { on: true });

    const { body } = await guide.post('/login', { name: 'ann' }).expect(201);
    const { confirmation, ...rest } = body as { confirmation: string };
    expect(rest).toEqual({});
    const code = guide.lastCode();
    const answers = await Promise.all(
      [1, 2, 3].map(() => guide.post('/login/code', { confirmation, code })),
    );
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      201, 401, 401,
    ]);

    await put(false, await proofFor(false)).expect(200, { on: false });
    await guide.post('/login', { name: 'ann' }).expect(201, { signedIn: 'ann' });
  });

  it('tells the owner in the message that the protection is switched off', async () => {
    guide.messages.length = 0;
    await proofFor(false);
    const [, shown = ''] = /```text\n(042317 .*)\n```/.exec(page.text) ?? [];
    expect(shown).toContain('Switch the protection off');
    const message = guide.messages.find((line) => line.includes(' is your code ')) ?? '';
    expect(message.replace(/ \d{6} is /, ' 042317 is ')).toContain(shown);
  });

  it('cannot be switched without a proof, nor with a proof for the other setting', async () => {
    await put(true).expect(403);
    const proof = await proofFor(true);
    await put(false, proof).expect(403);
    await put(true, proof).expect(200);
    await put(true, proof).expect(409);
    const { status } = await put(false);
    expect(status).toBe(403);
  });
});
