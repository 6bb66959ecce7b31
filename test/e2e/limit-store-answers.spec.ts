// A limit store of the application that misbehaves in whatever way: no error but those of this package leaves it.
import { afterEach, describe, expect, it } from 'vitest';

import {
  LimitService,
  TWO_FACTOR_LIMIT_STORE,
  TwoFactorUnavailableError,
  type LimitStore,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { quietly } from '../engines/faults/behind-proxy.js';

const TIMEOUT_MS = 200;

/** Works normally until a test sets another answer. */
class MisbehavingStore {
  answer: (() => unknown) | undefined;

  readonly consume = (): unknown => this.#say({ exhausted: [], consumed: [] });
  readonly refund = (): unknown => this.#say(undefined);
  readonly release = (): unknown => this.#say(undefined);
  readonly read = (): unknown => this.#say([]);
  readonly purge = (): unknown => this.#say(false);

  #say(well: unknown): unknown {
    return this.answer === undefined ? Promise.resolve(well) : this.answer();
  }
}

const STRANGER = { key: 'f'.repeat(32), amount: 1, endsAt: 0 };

/** By all of its methods. */
const FAILURES: Readonly<Record<string, () => unknown>> = {
  'throws at once': () => {
    throw new TypeError('undefined is not a function');
  },
  'rejects with nothing': () => Promise.reject(undefined),
  'rejects with a string': () => Promise.reject('down'),
  'never answers': () => new Promise(() => undefined),
};

/** By what it answers to a question: nothing may be concluded from it. */
const NONSENSE: Readonly<Record<string, () => unknown>> = {
  'answers nothing': () => Promise.resolve(undefined),
  'answers no promise': () => null,
  'answers an empty object': () => Promise.resolve({}),
  'answers lists of nothing': () => Promise.resolve({ exhausted: [undefined], consumed: [null] }),
  'refuses by a limit that was not asked for': () =>
    Promise.resolve({ exhausted: [STRANGER], consumed: [] }),
  'answers levels without numbers': () =>
    Promise.resolve({ exhausted: [{ ...STRANGER, amount: 'many' }], consumed: [] }),
};

describe('A limit store of the application', () => {
  let http: HttpTestApp | undefined;
  afterEach(async () => {
    await http?.close();
    http = undefined;
  });

  async function start(): Promise<{ store: MisbehavingStore; http: HttpTestApp }> {
    const store = new MisbehavingStore();
    const limitStore = {
      provide: TWO_FACTOR_LIMIT_STORE,
      useValue: store as unknown as LimitStore,
    };
    http = await startHttpApp({
      ...quietly,
      options: { controller: true, limits: {}, limitStore, databaseTimeoutMs: TIMEOUT_MS },
    });
    return { store, http };
  }

  describe.each(Object.entries({ ...FAILURES, ...NONSENSE }))('that %s', (_, answer) => {
    it('makes every call that charges TwoFactorUnavailableError, over HTTP 503 with Retry-After', async () => {
      const { store, http: app } = await start();
      const { confirmer, twoFactor, sender, clock, inbox } = app;
      const { id } = await twoFactor.request({ token: 'ann@example.com' });
      const unsent = await confirmer.makeConfirmation();
      const sent = inbox.deliveries.length;
      clock.advance(31);
      store.answer = answer;

      const calls = await Promise.allSettled([
        confirmer.makeConfirmation({ subject: 'ann' }),
        confirmer.confirm(id, WRONG_CODE),
        confirmer.confirm(id, inbox.lastCode),
        twoFactor.request({ token: 'ann@example.com' }),
        twoFactor.resend(id),
        sender.send(null, 'ann@example.com', unsent),
        app.app.get(LimitService, { strict: false }).failures({ subject: 'ann' }),
      ]);
      const answers = await Promise.all([
        app.post('/2factor/request-confirmation', { token: 'ann@example.com' }),
        app.post('/2factor/confirm', { id, code: WRONG_CODE }),
        app.post('/2factor/resend', { id }),
      ]);

      for (const call of calls) {
        expect(call).toEqual({
          status: 'rejected',
          reason: expect.any(TwoFactorUnavailableError) as unknown,
        });
      }
      for (const refusal of answers) {
        expect(refusal).toBeProblem(503, 'temporarily-unavailable', { retryAfter: 1 });
      }
      expect(inbox.deliveries).toHaveLength(sent);
      expect(await app.row(id)).toMatchObject({ attempts: 0, confirmedAt: null });
    });
  });

  it.each(Object.entries(FAILURES))(
    'that %s makes reset and purge TwoFactorUnavailableError, and is not asked by check and use',
    async (_, answer) => {
      const { store, http: app } = await start();
      const { confirmer } = app;
      const { id } = await confirmer.makeConfirmation({ isConfirmed: true });
      const limits = app.app.get(LimitService, { strict: false });
      store.answer = answer;

      await expect(limits.reset({ subject: 'ann' })).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
      await expect(confirmer.purge()).rejects.toBeInstanceOf(TwoFactorUnavailableError);
      expect((await confirmer.check(id))[1]).toBe(true);
      expect(await confirmer.use(id)).toBe(true);
    },
  );
});
