import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import {
  AccountController,
  DETAILS,
  guardedCaller,
  purposes,
  TransferController,
} from './guarded-routes.js';

describe.each(adapters)('A guarded route on $name', ({ create }) => {
  let app: HttpTestApp;
  const { prove, call, isUsable } = guardedCaller(() => app);

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: { purposes, controller: true },
      controllers: [TransferController, AccountController],
    });
  });
  afterAll(() => app.close());

  it('runs once for a proof that was confirmed over HTTP', async () => {
    const user = { 'x-user': 'ann' };
    const { id } = await app.twoFactor.request({
      token: 'ann@example.com',
      purpose: 'transfer',
      subject: 'ann',
      details: DETAILS,
    });
    const code = app.inbox.lastCode;
    const pending = await call('transfers/detailed', id, DETAILS);
    expect(pending).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
    await app.post('/2factor/confirm', { id, code }, user);
    const answer = await call('transfers/detailed', id, DETAILS);
    expect(answer).toMatchObject({ status: 200, body: DETAILS });
    expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now() });
    const again = await call('transfers/detailed', id, DETAILS);
    expect(again).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
  });

  describe.each(['plain', 'handler/forgetting', 'handler/using'])('called %s', (name) => {
    const route = `transfers/${name}`;

    it.each([
      ['no header', undefined, 403, 'confirmation-required'],
      ['an unknown id', UNKNOWN_ID, 403, 'confirmation-required'],
      ['a malformed id', 'nonsense', 400, 'invalid-request'],
      ['an id in upper case', UNKNOWN_ID.toUpperCase(), 400, 'invalid-request'],
      ['two ids', `${UNKNOWN_ID}, ${UNKNOWN_ID}`, 400, 'invalid-request'],
    ])('refuses %s', async (_, id, status, error) => {
      expect(await call(route, id)).toMatchObject({ status, body: { status, error } });
    });

    it.each([
      ['another purpose', { purpose: 'delete-account' }],
      ['another subject', { subject: 'eve' }],
      ['other details', { details: DETAILS }],
    ])('refuses a proof for %s, and leaves it usable', async (_, binding) => {
      const id = await prove(binding);
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      expect(await isUsable(id)).toBe(true);
    });

    it('refuses a pending confirmation, which can then be confirmed and used', async () => {
      const state = await app.confirmer.makeConfirmation({ purpose: 'transfer', subject: 'ann' });
      const answer = await call(route, state.id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      await state.confirm();
      expect(await call(route, state.id)).toMatchObject({ status: 200 });
    });

    it('refuses a proof that is too old', async () => {
      const id = await prove();
      app.clock.advance(300);
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
    });

    it('refuses a proof that was cancelled', async () => {
      const id = await prove();
      await app.confirmer.cancel(id);
      expect(await call(route, id)).toMatchObject({ status: 403 });
    });

    it('refuses when no user is signed in', async () => {
      const id = await prove();
      const answer = await app.post(`/${route}`, {}, { 'x-confirmation-id': id });
      expect(answer).toMatchObject({ status: 403, body: { error: 'no-subject' } });
      expect(await isUsable(id)).toBe(true);
    });

    it.each([
      ['no header', {}],
      ['a malformed id', { 'x-confirmation-id': 'nonsense' }],
      ['an unknown id', { 'x-confirmation-id': UNKNOWN_ID }],
    ])('tells nothing about %s when no user is signed in', async (_, headers) => {
      const answer = await app.post(`/${route}`, {}, headers);
      expect(answer).toMatchObject({ status: 403, body: { error: 'no-subject' } });
    });

    it('refuses a used proof with 409', async () => {
      const id = await prove();
      expect(await call(route, id)).toMatchObject({ status: 200 });
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
    });

    it('succeeds once for twenty calls with one proof', async () => {
      const id = await prove();
      const answers = await Promise.all(Array.from({ length: 20 }, () => call(route, id)));
      const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
      expect(statuses).toStrictEqual([200, ...Array.from({ length: 19 }, () => 409)]);
    });
  });

  describe('that names details', () => {
    it('refuses more money, and still takes the sum that was confirmed', async () => {
      const id = await prove({ details: DETAILS });
      const more = await call('transfers/detailed', id, { ...DETAILS, amount: '10000.00' });
      expect(more).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      expect(await call('transfers/detailed', id, {})).toMatchObject({ status: 403 });
      const { amount, payee } = DETAILS;
      expect(await call('transfers/detailed', id, { payee, amount })).toMatchObject({
        status: 200,
      });
    });
  });

  it('refuses a call without the details it is to compare, also on a proof without any', async () => {
    const id = await prove();
    const headers = { 'x-user': 'ann', 'x-confirmation-id': id };
    const answer = await app.call('/transfers/detailed', { method: 'POST', headers });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid-request' } });
    expect(await isUsable(id)).toBe(true);
  });

  describe('that spends in the guard', () => {
    it('has burnt the proof when its handler refuses', async () => {
      const id = await prove();
      expect(await call('transfers/refusing', id)).toMatchObject({ status: 400 });
      expect(await isUsable(id)).toBe(false);
    });

    it('takes the id from the configured place', async () => {
      const id = await prove();
      expect(await call('transfers/in-body', id)).toMatchObject({ status: 403 });
      for (const proof of [7, [id], { id }, 'nonsense']) {
        expect(await call('transfers/in-body', undefined, { proof })).toMatchObject({
          status: 400,
          body: { error: 'invalid-request' },
        });
      }
      expect(await call('transfers/in-body', undefined, { proof: id })).toMatchObject({
        status: 200,
      });
    });
  });

  describe('of a guarded class', () => {
    it('asks for what the class asks for', async () => {
      const id = await prove();
      expect(await call('account/move', id)).toMatchObject({ status: 200 });
      expect(await call('account/move', id)).toMatchObject({ status: 409 });
    });

    it.each([
      ['in the guard', 'close', { ok: true }],
      ['in the handler', 'empty', { purpose: 'delete-account' }],
    ])(
      'asks for what the method asks for instead, and spends it once, %s',
      async (_, name, body) => {
        expect(await call(`account/${name}`, await prove())).toMatchObject({ status: 403 });
        const id = await prove({ purpose: 'delete-account' });
        expect(await call(`account/${name}`, id)).toMatchObject({ status: 200, body });
        expect(await call(`account/${name}`, id)).toMatchObject({ status: 409 });
      },
    );
  });

  describe('and its refusals', () => {
    it('are JSON with the right status under the filter of Nest', async () => {
      const answer = await call('transfers/plain');
      expect(answer.body).toStrictEqual({
        type: 'urn:nestjs-two-factor:confirmation-required',
        title: 'This needs a confirmation.',
        status: 403,
        error: 'confirmation-required',
        instance: expect.stringMatching(/^urn:uuid:/) as string,
      });
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
    });

    it('are problem documents under the filter of this package', async () => {
      const id = await prove();
      const missing = await call('transfers/filtered');
      expect(missing).toBeProblem(403, 'confirmation-required');
      expect(await call('transfers/filtered', 'nonsense')).toBeProblem(400, 'invalid-request');
      expect(await call('transfers/filtered', id)).toMatchObject({ status: 200 });
      expect(await call('transfers/filtered', id)).toBeProblem(409, 'confirmation-used');
    });
  });
});
