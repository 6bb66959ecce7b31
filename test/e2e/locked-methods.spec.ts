// A lock stops the guesses at a method, and never the person who holds something that cannot be guessed.
import { afterEach, describe, expect, it } from 'vitest';

import {
  LimitService,
  type PurposeDefinition,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { header } from './controller-fixtures.js';

const purpose: PurposeDefinition = {
  subject: (context) => header(context, 'x-user'),
  recipient: (context) => `${header(context, 'x-user')}@example.com`,
};
const purposes = {
  login: { ...purpose, methods: ['code', 'totp', 'recovery'] },
  'no-recovery': { ...purpose, methods: ['code', 'totp'] },
  app: { ...purpose, methods: ['totp', 'recovery'] },
  plain: purpose,
} satisfies Record<string, PurposeDefinition>;

const ALL_OFF = {
  failures: false,
  pending: false,
  sendsPerToken: false,
  sendsPerRequester: false,
  requestsPerRequester: false,
  sendsPerNetwork: false,
  sendsPerPrefix: false,
  sendsPerSender: false,
  sendsInTotal: false,
} as const;

let http: HttpTestApp;
afterEach(() => http.close());

async function start(limits: TwoFactorModuleOptions['limits'] = {}): Promise<void> {
  http = await startHttpApp({ options: { controller: true, methods: METHODS, purposes, limits } });
}

const request = (user: string, body: object): Promise<Answer> =>
  http.post('/2factor/request-confirmation', body, { 'x-user': user });

/** Locks the codes of a person by ten wrong ones. */
async function lockCodes(user: string): Promise<void> {
  const token = `${user}@example.com`;
  for (let round = 0; round < 2; round += 1) {
    const { state } = await http.twoFactor.request({ subject: user, purpose: 'plain', token });
    for (let count = 0; count < 5; count += 1) await http.confirmer.confirm(state.id, WRONG_CODE);
    http.clock.advance(31);
  }
  const { state } = await http.twoFactor.request({ subject: user, purpose: 'plain', token });
  await http.confirmer.confirm(state.id, WRONG_CODE);
}

describe('The refusal of a locked subject', () => {
  it('names the methods that can still be named, and these confirm', async () => {
    await start();
    const { recoveryCodes } = await enrolApp(http, 'ann');
    await lockCodes('ann');

    const refused = await request('ann', { purpose: 'login' });

    expect(refused).toBeProblem(429, 'too-many-requests', {
      retryAfter: 60,
      methods: ['recovery'],
    });
    const { body } = await request('ann', { purpose: 'login', method: 'recovery' });
    const { id } = body as { id: string };
    expect(
      await http.post(
        '/2factor/confirm',
        { id, method: 'recovery', code: recoveryCodes[0] },
        { 'x-user': 'ann' },
      ),
    ).toMatchObject({ status: 200 });
    // The guesser has won nothing by that.
    const failures = await http.app
      .get(LimitService, { strict: false })
      .failures({ subject: 'ann', token: 'ann@example.com' });
    expect(failures.count).toBe(11);
  });

  it('of a locked app names other methods for a new request, and none for a pending confirmation', async () => {
    await start();
    const { app, recoveryCodes } = await enrolApp(http, 'ann');
    const begin = async (): Promise<string> => {
      const { body } = await request('ann', { purpose: 'app' });
      return (body as { id: string }).id;
    };
    const confirm = (id: string, method: string, code: string | undefined): Promise<Answer> =>
      http.post('/2factor/confirm', { id, method, code }, { 'x-user': 'ann' });
    const open = await begin();
    for (let round = 0; round < 2; round += 1) {
      const id = await begin();
      for (let count = 0; count < 5; count += 1) await confirm(id, 'totp', app.wrongCode());
    }

    const requested = await request('ann', { purpose: 'app' });
    const named = await request('ann', { purpose: 'app', method: 'totp' });
    const confirmed = await confirm(open, 'totp', app.code());

    for (const answer of [requested, named]) {
      expect(answer).toBeProblem(429, 'too-many-requests', {
        retryAfter: 30,
        methods: ['recovery'],
      });
    }
    expect(confirmed).toBeProblem(429, 'too-many-requests', { retryAfter: 30 });
    expect(await confirm(open, 'recovery', recoveryCodes[0])).toMatchObject({ status: 200 });
  });

  it.each(['no-recovery', 'plain'])('names no methods for the purpose %s', async (name) => {
    await start();
    await enrolApp(http, 'ann');
    await lockCodes('ann');

    const { status, body } = await request('ann', { purpose: name });

    expect([status, Object.keys(body as object)]).toEqual([
      429,
      expect.not.arrayContaining(['methods']),
    ]);
  });

  it('names no methods for a person who has none', async () => {
    await start();
    await lockCodes('nora');

    const { status, body } = await request('nora', { purpose: 'login' });

    expect([status, Object.keys(body as object)]).toEqual([
      429,
      expect.not.arrayContaining(['methods']),
    ]);
  });
});

describe('Confirmations that are narrowed to a method', () => {
  const narrow = (user: string): Promise<Answer> =>
    request(user, { purpose: 'login', method: 'recovery' });

  it('are counted for the requester, sixty an hour, and not for the subject', async () => {
    await start({ requester: (context) => header(context, 'x-session') });
    await enrolApp(http, 'ann');
    const from = (session: string): Promise<Answer> =>
      http.post(
        '/2factor/request-confirmation',
        { purpose: 'login', method: 'recovery' },
        { 'x-user': 'ann', 'x-session': session },
      );
    const statuses: number[] = [];
    for (let count = 0; count < 61; count += 1) statuses.push((await from('thief')).status);

    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    expect(statuses.at(-1)).toBe(429);
    expect(await from('owner')).toMatchObject({ status: 200 });
    http.clock.advance(3_600);
    expect(await from('thief')).toMatchObject({ status: 200 });
  });

  it('are counted by the address without a resolver, and take no pending slot', async () => {
    await start({ requestsPerRequester: [{ max: 5, perSeconds: 60 }] });
    await enrolApp(http, 'ann');
    for (let count = 0; count < 5; count += 1) expect((await narrow('ann')).status).toBe(200);

    expect(await narrow('ann')).toMatchObject({ status: 429 });
    for (let count = 0; count < 3; count += 1) {
      expect(
        await http.confirmer.makeConfirmation({ subject: 'ann', purpose: 'login' }),
      ).toMatchObject({ status: 'pending' });
    }
    // What is not narrowed is limited by other counts.
    expect(await request('ann', { purpose: 'login' })).toMatchObject({ status: 200 });
  });

  it('are counted where every other limit is off', async () => {
    await start({ ...ALL_OFF, requestsPerRequester: [{ max: 5, perSeconds: 60 }] });
    await enrolApp(http, 'ann');
    for (let count = 0; count < 5; count += 1) expect((await narrow('ann')).status).toBe(200);

    expect(await narrow('ann')).toMatchObject({ status: 429 });
  });

  it('share ten times as many where the requesters are unknown', async () => {
    await start({ requester: () => null, requestsPerRequester: [{ max: 1, perSeconds: 60 }] });
    await enrolApp(http, 'ann');
    const statuses: number[] = [];
    for (let count = 0; count < 11; count += 1) statuses.push((await narrow('ann')).status);

    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 200), 429]);
  });

  it('cost nothing when they are not created', async () => {
    await start({ requestsPerRequester: [{ max: 2, perSeconds: 60 }] });
    await enrolApp(http, 'ann');
    const headers = { 'x-user': 'ann', 'idempotency-key': 'sixteen-characters-1' };
    const body = { purpose: 'login', method: 'recovery' };
    const ids = new Set<unknown>();
    for (let count = 0; count < 5; count += 1) {
      const answer = await http.post('/2factor/request-confirmation', body, headers);
      ids.add((answer.body as { id: string }).id);
    }

    expect(ids.size).toBe(1);
    expect(await narrow('ann')).toMatchObject({ status: 200 });
    expect(await narrow('ann')).toMatchObject({ status: 429 });
  });

  it('are not counted where the limit is off', async () => {
    await start({ requestsPerRequester: false });
    await enrolApp(http, 'ann');
    for (let count = 0; count < 70; count += 1) expect((await narrow('ann')).status).toBe(200);
  });
});
