import { createHash, randomBytes } from 'node:crypto';

import { JwtService } from '@nestjs/jwt';
import request from 'supertest';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

interface UsersService {
  add(user: { id: string; phone: string }, keyHash: string): void;
}

const page = await readPage('docs/guides/sign-in-that-you-have.md');
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
const REQUEST = '/2factor/request-confirmation';
let guide: Guide;
let annsKey: string;
let bobsKey: string;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page);
  const { UsersService } = await load<{ UsersService: new () => UsersService }>(
    page,
    'users.service.ts',
  );
  annsKey = randomBytes(32).toString('hex');
  bobsKey = randomBytes(32).toString('hex');
  const users = guide.app.get(UsersService);
  users.add({ id: 'ann', phone: '+14155550123' }, hashOf(annsKey));
  users.add({ id: 'bob', phone: '+14155550124' }, hashOf(bobsKey));
});
afterEach(() => guide.close());

type Headers = Record<string, string>;

async function signedIn(kind: string): Promise<Headers> {
  if (kind === 'API key') return { 'x-api-key': annsKey };
  if (kind === 'JWT') {
    const token = await guide.app
      .get(JwtService)
      .signAsync({ sub: 'ann' }, { audience: 'application' });
    return { authorization: `Bearer ${token}` };
  }
  const { headers } = await guide.post('/session', { name: 'ann' }).expect(201);
  const [cookie] = headers['set-cookie'] as unknown as string[];
  return { cookie: cookie!.split(';', 1)[0]! };
}

describe('With the sign-in that you have', () => {
  it.each(['session', 'JWT', 'API key'])(
    'a caller with a %s confirms and acts once',
    async (kind) => {
      const headers = await signedIn(kind);
      const asked = await guide.post(REQUEST, { purpose: 'transfer' }).set(headers).expect(200);
      const { id } = asked.body as { id: string };
      const proof = { ...headers, 'x-confirmation-id': id };
      await guide.post('/transfers').set(proof).expect(403);
      const code = { id, code: guide.lastCode() };
      await guide.post('/2factor/confirm', code).set({ 'x-api-key': bobsKey }).expect(404);
      await guide.post('/2factor/confirm', code).set(headers).expect(200);

      await guide
        .post('/transfers')
        .set({ ...proof, cookie: '', authorization: '', 'x-api-key': bobsKey })
        .expect(403);
      await guide.post('/transfers').set(proof).expect(201, { done: true });
      const { status } = await guide.post('/transfers').set(proof);
      expect(status).toBe(409);
    },
  );

  it('reads the users of its own application when a process has started two of them', async () => {
    const first = guide;
    guide = await startGuide(page);
    const { UsersService } = await load<{ UsersService: new () => UsersService }>(
      page,
      'users.service.ts',
    );
    guide.app.get(UsersService).add({ id: 'dan', phone: '+14155550125' }, hashOf('key'));
    const { headers } = await guide.post('/session', { name: 'dan' }).expect(201);
    const [cookie] = headers['set-cookie'] as unknown as string[];
    const { status } = await guide.post(REQUEST, { purpose: 'transfer' }).set('cookie', cookie!);
    expect(status).toBe(200);
    await first.close();
  });

  it('signs in by two steps with a Passport session, of which the first one opens nothing', async () => {
    await guide.close();
    guide = await startGuide(page, { file: 'two-step.ts', module: 'TwoStepModule' });
    const { UsersService } = await load<{ UsersService: new () => UsersService }>(
      page,
      'users.service.ts',
    );
    guide.app.get(UsersService).add({ id: 'ann', phone: '+14155550123' }, hashOf('key'));
    const ann = request.agent(guide.app.getHttpServer() as string);
    await ann.post(REQUEST).send({ purpose: 'login' }).expect(403);

    await ann.post('/sign-in').send({ name: 'ann' }).expect(200, { signedIn: false });
    await ann.post(REQUEST).send({ purpose: 'transfer' }).expect(403);
    const asked = await ann.post(REQUEST).send({ purpose: 'login' }).expect(200);
    const { id } = asked.body as { id: string };
    const finish = () => ann.post('/sign-in/finish').set('X-Confirmation-Id', id);
    await finish().expect(403);
    await ann.post('/2factor/confirm').send({ id, code: guide.lastCode() }).expect(200);
    await finish().expect(200, { signedIn: 'ann' });

    await ann.post(REQUEST).send({ purpose: 'transfer' }).expect(200);
    // The session of the first step has ended.
    await ann.post(REQUEST).send({ purpose: 'login' }).expect(403);
    const { status } = await finish();
    expect(status).toBe(403);
  });

  it('a token of the first step of a two-step login is a 401 on every route', async () => {
    const token = await guide.app
      .get(JwtService)
      .signAsync({ sub: 'ann' }, { audience: 'second-step' });
    const headers = { authorization: `Bearer ${token}` };
    await guide.post(REQUEST, { purpose: 'transfer' }).set(headers).expect(401);
    expect((await guide.post('/transfers').set(headers)).status).toBe(401);
  });

  it.each<Headers>([
    {},
    { 'x-api-key': 'wrong' },
    { authorization: 'Bearer wrong' },
    { cookie: 'connect.sid=wrong' },
  ])('a caller with %j is a 401 on every route', async (headers) => {
    await guide.post(REQUEST, { purpose: 'transfer' }).set(headers).expect(401);
    const { status } = await guide.post('/transfers').set(headers);
    expect(status).toBe(401);
  });
});
