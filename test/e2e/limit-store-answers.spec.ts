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

/** Longer than a test takes, unless its subject is a store that never answers. */
const PATIENT_MS = 60_000;
/** Leaves time for the calls before, which have this limit as well. */
const IMPATIENT_MS = 3_000;
const SILENT = 'never answers';

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
  [SILENT]: () => new Promise(() => undefined),
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

  async function start(
    misbehaves: string,
  ): Promise<{ store: MisbehavingStore; http: HttpTestApp }> {
    const store = new MisbehavingStore();
    const limitStore = {
      provide: TWO_FACTOR_LIMIT_STORE,
      useValue: store as unknown as LimitStore,
    };
    const databaseTimeoutMs = misbehaves === SILENT ? IMPATIENT_MS : PATIENT_MS;
    http = await startHttpApp({
      ...quietly,
      options: { controller: true, limits: {}, limitStore, databaseTimeoutMs },
    });
    return { store, http };
  }

  describe.each(Object.entries({ ...FAILURES, ...NONSENSE }))('that %s', (misbehaves, answer) => {
    it('makes every call that charges TwoFactorUnavailableError, over HTTP 503 with Retry-After', async () => {
      const { store, http: app } = await start(misbehaves);
      const { confirmer, twoFactor, sender, clock, inbox } = app;
      const { id } = await twoFactor.request({ token: 'ann@example.com' });
      const unsent = await confirmer.makeConfirmation();
      const sent = inbox.deliveries.length;
      clock.advance(31);
      store.answer = answer;

      const calling = Promise.allSettled([
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
      const calls = await calling;

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
    async (misbehaves, answer) => {
      const { store, http: app } = await start(misbehaves);
      const { confirmer } = app;
      const { id } = await confirmer.makeConfirmation({ isConfirmed: true });
      const limits = app.app.get(LimitService, { strict: false });
      store.answer = answer;

      await Promise.all(
        [limits.reset({ subject: 'ann' }), confirmer.purge()].map((call) =>
          expect(call).rejects.toBeInstanceOf(TwoFactorUnavailableError),
        ),
      );
      expect((await confirmer.check(id))[1]).toBe(true);
      expect(await confirmer.use(id)).toBe(true);
    },
  );
});
