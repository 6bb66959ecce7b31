import request from 'supertest';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/two-step-login-with-jwt.md');
let guide: Guide;

interface UsersService {
  add(user: { id: string; name: string; phone: string }, password: string): Promise<void>;
}

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page);
  const { UsersService } = await load<{ UsersService: new () => UsersService }>(
    page,
    'users.service.ts',
  );
  const ann = { id: 'user-1', name: 'ann', phone: '+14155550123' };
  await guide.app.get(UsersService).add(ann, 'correct horse');
});
afterEach(() => guide.close());

const login = (password: string, name = 'ann') => guide.post('/login', { name, password });
const withToken = (token: string) => ({
  code: (code: string) => guide.post('/login/code', { code }).auth(token, { type: 'bearer' }),
  me: () =>
    request(guide.app.getHttpServer() as string)
      .get('/me')
      .auth(token, { type: 'bearer' }),
});

describe('Two-step login with JWT', () => {
  it('opens the application after the password and the code, and not before', async () => {
    await login('wrong').expect(401);
    await login('correct horse', 'nobody').expect(401);
    const first = await login('correct horse').expect(201);
    const { firstStep, maskedToken } = first.body as { firstStep: string; maskedToken: string };
    expect(maskedToken).not.toContain('5550123');

    const step = withToken(firstStep);
    await step.me().expect(401);
    const code = guide.lastCode();
    const wrong = await step.code(code === '123456' ? '654321' : '123456').expect(401);
    expect(wrong.body).toMatchObject({ status: 'pending', attemptsLeft: 4 });
    const second = await step.code(code).expect(201);
    const { accessToken } = second.body as { accessToken: string };

    const me = await withToken(accessToken).me().expect(200);
    expect(me.body).toEqual({ id: 'user-1' });
  });

  it('signs in one of eight calls with one code, and only with the token of the first step', async () => {
    const { firstStep } = (await login('correct horse')).body as { firstStep: string };
    const code = guide.lastCode();
    await guide.post('/login/code', { code }).expect(401);

    const answers = await Promise.all(
      Array.from({ length: 8 }, () => withToken(firstStep).code(code)),
    );

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(7);
  });
});
