import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { adapters, comparable, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { inSeconds, seen, startControllerApp } from './controller-fixtures.js';

describe.each(adapters)('The bundled controller on $name', ({ create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startControllerApp(create());
  });
  afterAll(() => app.close());

  describe('given a purpose', () => {
    it('proves the token alone when the purpose is open', async () => {
      const { id, code } = await app.request({ token: 'ann@example.com', purpose: 'sign-up' });
      await app.post('/2factor/confirm', { id, code });
      const details = { plan: 'free' };
      expect(await app.confirmer.use(id, { purpose: 'sign-up' })).toBe(false);
      expect(await app.confirmer.use(id, { details })).toBe(false);
      expect(await app.confirmer.use(id, { purpose: 'sign-up', details })).toBe(true);
    });

    it('expires after the ttlSeconds of its purpose', async () => {
      const body = { token: 'ann@example.com', purpose: 'short' };
      const answer = await app.post('/2factor/request-confirmation', body);
      expect(answer.body).toMatchObject({ expiresAt: inSeconds(app, 60) });
    });

    it('binds the subject and takes the token from the application', async () => {
      seen.length = 0;
      const ann = { 'x-user': 'ann' };
      const { id, code } = await app.request({ purpose: 'transfer', way: 'email' }, ann);
      expect(app.inbox.deliveries.at(-1)).toMatchObject({ token: 'ann-email@example.com' });
      const answer = await app.post('/2factor/confirm/', { id, code }, ann);
      expect(answer.body).toStrictEqual({ id, confirmed: true });
      expect(seen).toStrictEqual([
        'http TwoFactorController requestConfirmation',
        'http TwoFactorController confirm',
      ]);
      expect(await app.confirmer.use(id, { purpose: 'transfer' })).toBe(false);
      expect(await app.confirmer.use(id, { purpose: 'transfer', subject: 'ann' })).toBe(true);
    });

    it('refuses a token in the body, which could be a thief’s mailbox', async () => {
      const sent = app.inbox.deliveries.length;
      const answer = await app.post(
        '/2factor/request-confirmation',
        { purpose: 'transfer', token: 'thief@example.com' },
        { 'x-user': 'ann' },
      );
      expect(answer).toBeProblem(400, 'invalid-request');
      expect(app.inbox.deliveries).toHaveLength(sent);
    });

    it.each([
      ['subject', 'transfer', {}, 403, 'no-subject'],
      ['recipient', 'transfer', { 'x-user': 'unreachable' }, 422, 'no-recipient'],
      ['subject, but an empty text', 'nobody', {}, 403, 'no-subject'],
    ])(
      'refuses when the application provides no %s',
      async (_, purpose, headers, status, error) => {
        const statements = await app.log.during(async () => {
          const answer = await app.post('/2factor/request-confirmation', { purpose }, headers);
          expect(answer).toBeProblem(status, error);
        });
        expect(statements).toStrictEqual([]);
      },
    );

    it('answers 500 when the subject resolver returns no text', async () => {
      const answer = await app.post('/2factor/request-confirmation', { purpose: 'numeric' });
      expect(answer).toBeProblem(500, 'invalid-configuration');
    });

    it('passes on the refusal that the subject resolver of the application throws', async () => {
      const answer = await app.post('/2factor/request-confirmation', { purpose: 'strict' });
      expect(answer).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
      expect(answer.headers['cache-control']).toBe('no-store');
    });

    it.each(['confirm', 'check', 'resend'])(
      'answers %s of a foreign confirmation as if there were none, byte for byte',
      async (route) => {
        for (const purpose of ['transfer', 'strict']) {
          const { id, code } = await app.request({ purpose }, { 'x-user': 'ann' });
          app.clock.advance(30);
          const before = await app.row(id);
          const sent = app.inbox.deliveries.length;
          for (const headers of [{ 'x-user': 'eve' }, { 'x-user': '' }, {}]) {
            const foreign = await app.post(`/2factor/${route}`, { id, code }, headers);
            const unknown = await app.post(`/2factor/${route}`, { id: UNKNOWN_ID, code }, headers);
            expect(foreign).toBeProblem(404, 'not-found');
            expect(comparable(foreign)).toStrictEqual(comparable(unknown));
          }
          expect(await app.row(id)).toStrictEqual(before);
          expect(app.inbox.deliveries).toHaveLength(sent);
        }
      },
    );

    it.each(['confirm', 'check', 'resend'])(
      'does not know a confirmation of an undeclared purpose at %s',
      async (route) => {
        const state = await app.confirmer.makeConfirmation({ purpose: 'withdraw' });
        await app.sender.send(null, 'ann@example.com', state);
        const body = { id: state.id, code: app.inbox.lastCode };
        expect(await app.post(`/2factor/${route}`, body)).toBeProblem(404, 'not-found');
        expect(await app.row(state.id)).toMatchObject({ attempts: 0, sends: 1 });
      },
    );

    it('answers 404 to a check without a subject when the purpose needs one', async () => {
      const state = await app.confirmer.makeConfirmation({ purpose: 'nobody' });
      expect(await app.post('/2factor/check', { id: state.id })).toBeProblem(404, 'not-found');
    });
  });
});
