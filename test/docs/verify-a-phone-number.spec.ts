import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/verify-a-phone-number.md');
const user = { id: 'ann' };
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page, { user });
  const dataSource = guide.app.get(DataSource);
  // The reader's own migration.
  await dataSource.query('CREATE TABLE user (id varchar(36) PRIMARY KEY, phone varchar)');
  await dataSource.query("INSERT INTO user VALUES ('ann', NULL), ('bob', NULL)");
});
afterEach(() => guide.close());

const phones = async (): Promise<unknown> =>
  guide.app.get(DataSource).query('SELECT id, phone FROM user ORDER BY id');

describe('Verify a phone number', () => {
  it('the number is hers when the code came back, and once', async () => {
    const asked = await guide.post('/phone/ask', { phone: '(415) 555-0123' }).expect(201);
    const { id } = asked.body as { id: string };
    expect(await phones()).toEqual([
      { id: 'ann', phone: null },
      { id: 'bob', phone: null },
    ]);

    const code = guide.lastCode();
    const wrong = code === '123456' ? '654321' : '123456';
    const refused = await guide.post('/phone/confirm', { id, code: wrong }).expect(422);
    expect(refused.body).toEqual({ status: 'pending', attemptsLeft: 4 });
    const confirmed = await guide.post('/phone/confirm', { id, code }).expect(201);

    expect(confirmed.body).toEqual({ phone: '+14155550123' });
    expect(await phones()).toEqual([
      { id: 'ann', phone: '+14155550123' },
      { id: 'bob', phone: null },
    ]);
    const again = await guide.post('/phone/confirm', { id, code }).expect(422);
    expect(again.body).toMatchObject({ status: 'used' });
  });

  it.each([
    '',
    'ann@example.com',
    '12',
    '+0123456789',
    'tel:',
    '(415) 555-0123 or else',
    5,
    null,
    {},
    ['+14155550123'],
  ])('asks for no code when %j is no phone number', async (phone) => {
    const { status } = await guide.post('/phone/ask', { phone });
    expect(status).toBe(400);
  });

  it("refuses another user's confirmation as unknown, and counts a national spelling in the same limit", async () => {
    const asked = await guide.post('/phone/ask', { phone: '+14155550123' }).expect(201);
    const { id } = asked.body as { id: string };
    user.id = 'bob';
    await guide.post('/phone/confirm', { id, code: guide.lastCode() }).expect(404);
    user.id = 'ann';

    for (const phone of ['4155550123', '415-555-0123', '(415) 555-0123', '0014155550123'])
      await guide.post('/phone/ask', { phone }).expect(201);
    const sixth = await guide.post('/phone/ask', { phone: '+14155550123' });
    expect(sixth.body).toMatchObject({ status: 429, error: 'too-many-requests' });
  });
});
