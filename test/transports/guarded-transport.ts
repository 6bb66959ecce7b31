import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Problem } from '../../lib/index.js';
import { enrolApp } from '../support/authenticator.js';
import { WRONG_CODE, recordOutput } from '../support/canaries.js';
import { engines, type EngineName } from '../support/engines.js';
import type { TestApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { Bank, INNER_SECRET, prove, TEN, type RouteName } from './transfers.js';

/** What a client got: a value, or a refusal. */
export interface Outcome {
  readonly value?: unknown;
  /** The problem as the client reads it. */
  readonly problem?: Partial<Problem>;
  /** All that came over the wire. */
  readonly wire: unknown;
}

/** A client over one connection. */
export interface TransportClient {
  call(route: RouteName, body: object): Promise<Outcome>;
  close(): Promise<void> | void;
}

export interface RunningTransport extends TestApp {
  /** Connects a user. */
  connect(user?: string): Promise<TransportClient>;
}

const PARALLEL = 20;
const ROUTES = ['guarded', 'transactional', 'forgetful'] as const;

/** What holds over every transport, against the real packages, with a real client. */
export function describeTransport(
  name: string,
  start: (engine: EngineName) => Promise<RunningTransport>,
): void {
  describe.each(engines.filter((engine) => engine !== 'better-sqlite3'))(
    `Over ${name}, on %s`,
    (engine) => {
      let app: RunningTransport;
      let ann: TransportClient;
      let bank: Bank;

      beforeAll(async () => {
        app = await start(engine);
        bank = app.app.get(Bank);
        await bank.open();
        ann = await app.connect('ann');
      });
      afterAll(async () => {
        await ann?.close();
        await app?.close();
      });

      const call = async (route: RouteName, body: object, by = ann): Promise<Outcome> => {
        const outcome = await by.call(route, body);
        recordOutput(`${name} ${route}`, outcome);
        return outcome;
      };

      const isUsed = async (id: string): Promise<boolean | undefined> =>
        (await app.confirmer.check(id))[0]?.isUsed;

      const isUsable = async (id: string): Promise<boolean> => {
        const binding = { purpose: 'transfer', subject: 'ann', details: TEN };
        return (await app.confirmer.check(id, binding))[1];
      };

      it('sends a code, confirms it, and lets the call through once', async () => {
        const { value: proof } = await call('request', TEN);
        expect(await call('guarded', { ...TEN, proof })).toBeRefused('confirmation-required');
        const wrong = await call('confirm', { proof, code: WRONG_CODE });
        expect(wrong).toBeRefused('code-mismatch', { attemptsLeft: 4 });
        const { value } = await call('confirm', { proof, code: app.inbox.lastCode });
        expect(value).toBe('confirmed');

        expect(await call('guarded', { ...TEN, proof })).toMatchObject({ value: 'paid' });
        expect(await call('guarded', { ...TEN, proof })).toBeRefused('confirmation-used');
      });

      describe.each(ROUTES)('the route %s', (route) => {
        it.each([
          ['no id', undefined, 'confirmation-required'],
          ['an empty id', '', 'confirmation-required'],
          ['an unknown id', UNKNOWN_ID, 'confirmation-required'],
          ['a malformed id', 'nonsense', 'invalid-request'],
        ])('refuses %s', async (_, proof, error) => {
          const { ended } = bank;
          expect(await call(route, { ...TEN, proof })).toBeRefused(error);
          expect(bank.ended).toBe(ended);
        });

        it.each([
          ['another purpose', { purpose: 'delete-account' }],
          ['another user', { subject: 'eve' }],
          ['less money', { details: { ...TEN, amount: '1.00' } }],
          ['another payee', { details: { ...TEN, payee: 'eve@bank.example' } }],
        ])('refuses a proof for %s, and leaves it', async (_, binding) => {
          const proof = await prove(app.confirmer, binding);
          expect(await call(route, { ...TEN, proof })).toBeRefused('confirmation-required');
          expect(await isUsed(proof)).toBe(false);
        });

        it('refuses a thief who sends the proof on another connection', async () => {
          const proof = await prove(app.confirmer);
          const eve = await app.connect('eve');
          try {
            const stolen = await call(route, { ...TEN, proof }, eve);
            expect(stolen).toBeRefused('confirmation-required');
          } finally {
            await eve.close();
          }
          expect(await isUsable(proof)).toBe(true);
        });

        it('refuses who is not signed in', async () => {
          const proof = await prove(app.confirmer);
          const anonymous = await app.connect();
          try {
            expect(await call(route, { ...TEN, proof }, anonymous)).toBeRefused('no-subject');
          } finally {
            await anonymous.close();
          }
          expect(await isUsable(proof)).toBe(true);
        });

        it('refuses a proof that is too old', async () => {
          const proof = await prove(app.confirmer);
          app.clock.advance(301);
          expect(await call(route, { ...TEN, proof })).toBeRefused('confirmation-required');
        });

        it('refuses the second use', async () => {
          const proof = await prove(app.confirmer);
          expect(await call(route, { ...TEN, proof })).toMatchObject({ value: 'paid' });
          expect(await isUsed(proof)).toBe(true);
          expect(await call(route, { ...TEN, proof })).toBeRefused('confirmation-used');
        });
      });

      // SQLite's one connection takes one transaction at a time.
      const meeting = engine === 'sqljs' ? ROUTES.filter((e) => e !== 'transactional') : ROUTES;
      it.each(meeting)(
        `answers one of ${PARALLEL} calls of %s that meet on one connection`,
        async (route) => {
          const proof = await prove(app.confirmer);
          const payments = await bank.payments();
          const { ended } = bank;
          const outcomes = await Promise.all(
            Array.from({ length: PARALLEL }, () => call(route, { ...TEN, proof })),
          );
          expect(outcomes.filter(({ value }) => value === 'paid')).toHaveLength(1);
          expect(bank.ended).toBe(ended + 1);
          const refused = outcomes.filter(({ value }) => value === undefined);
          expect(refused).toHaveLength(PARALLEL - 1);
          for (const each of refused) expect(each).toBeRefused('confirmation-used');
          expect(await bank.payments()).toBe(payments + (route === 'transactional' ? 1 : 0));
        },
      );

      it(`runs more than one handler for ${PARALLEL} calls that a naive guard checks`, async () => {
        const proof = await prove(app.confirmer);
        const { ended } = bank;
        await Promise.all(Array.from({ length: PARALLEL }, () => call('naive', { ...TEN, proof })));
        expect(bank.ended).toBeGreaterThan(ended + 1);
      });

      it.each(['ordered', 'orderedByClass'] as const)(
        'keeps the proof when another guard of %s refuses, wherever that stands',
        async (route) => {
          const proof = await prove(app.confirmer);
          expect((await call(route, { ...TEN, proof, fails: true })).value).toBeUndefined();
          expect(await isUsable(proof)).toBe(true);
          expect(await call(route, { ...TEN, proof })).toMatchObject({ value: 'paid' });
          expect(await call(route, { ...TEN, proof })).toBeRefused('confirmation-used');
        },
      );

      it('keeps the proof when the transaction that spent it is rolled back', async () => {
        const proof = await prove(app.confirmer);
        const payments = await bank.payments();
        const failed = await call('transactional', { ...TEN, proof, fails: true });
        expect(failed.value).toBeUndefined();
        expect(await bank.payments()).toBe(payments);
        expect(await isUsable(proof)).toBe(true);
        expect(await call('transactional', { ...TEN, proof })).toMatchObject({ value: 'paid' });
        expect(await bank.payments()).toBe(payments + 1);
      });

      it('takes the purpose of the method before that of its class', async () => {
        const transfer = await prove(app.confirmer);
        expect(await call('deleting', { proof: transfer })).toBeRefused('confirmation-required');
        const binding = { purpose: 'delete-account', subject: 'ann' };
        const state = await app.confirmer.makeConfirmation({ ...binding, isConfirmed: true });
        expect(await call('deleting', { proof: state.id })).toMatchObject({ value: 'paid' });
      });

      it('refuses a proof by a code after the person has enrolled an app, and leaves it', async () => {
        const subject = 'dora';
        const dora = await app.connect(subject);
        const binding = { purpose: 'delete-account', subject };
        const byCode = await app.confirmer.makeConfirmation(binding);
        await app.confirmer.confirm(byCode.id, byCode.code!);
        const { app: phone } = await enrolApp(app, subject);
        const byApp = await app.confirmer.makeConfirmation({ ...binding, methods: ['totp'] });
        await app.confirmer.confirm(byApp.id, { method: 'totp', code: phone.code() });
        const { ended } = bank;
        try {
          const refused = await call('deleting', { proof: byCode.id }, dora);
          expect(refused).toBeRefused('confirmation-required', { status: 403 });
          expect(bank.ended).toBe(ended);
          expect(await isUsed(byCode.id)).toBe(false);
          expect(await call('deleting', { proof: byApp.id }, dora)).toMatchObject({
            value: 'paid',
          });
          expect(bank.ended).toBe(ended + 1);
        } finally {
          await dora.close();
        }
      });

      it('evaluates no more guesses than there are attempts, however many meet', async () => {
        const { value: proof } = await call('request', TEN);
        const outcomes = await Promise.all(
          Array.from({ length: PARALLEL }, () => call('confirm', { proof, code: WRONG_CODE })),
        );
        expect(outcomes.every(({ value }) => value === undefined)).toBe(true);
        const [state] = await app.confirmer.check(String(proof));
        expect([state?.status, state?.attemptsLeft]).toStrictEqual(['locked', 0]);
        const right = await call('confirm', { proof, code: app.inbox.lastCode });
        expect(right).toBeRefused('code-mismatch', { attemptsLeft: 0 });
      });

      it('tells what a client can act on, and nothing of the inside', async () => {
        const { instance, ...sent } = (await call('broken', { proof: 'send' })).problem ?? {};
        expect(instance).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
        expect(sent).toStrictEqual({
          type: 'urn:nestjs-two-factor:send-failed',
          title: 'The code could not be sent.',
          status: 503,
          error: 'send-failed',
          id: UNKNOWN_ID,
          resendAt: '2001-01-01T00:00:00.000Z',
          retryAfter: 1,
        });
        for (const proof of ['send', 'configuration']) {
          const { wire } = await call('broken', { proof });
          expect(JSON.stringify(wire)).not.toMatch(/INNERSECRET|SmsBackend|Not sent/);
        }
        expect(await call('broken', { proof: 'configuration' })).toBeRefused(
          'invalid-configuration',
        );
        expect(INNER_SECRET).toContain('INNERSECRET');
      });

      it('never repeats what was brought', async () => {
        const { value: proof } = await call('request', TEN);
        const { wire } = await call('confirm', { proof, code: 'BROUGHTCODE' });
        expect(JSON.stringify(wire)).not.toMatch(/BROUGHTCODE/);
        expect(JSON.stringify(wire)).not.toContain(String(proof));
      });
    },
  );
}

declare module 'vitest' {
  interface Matchers<T> {
    /** A refusal over some transport: a problem with this slug, and no value. */
    toBeRefused(error: string, members?: Partial<Problem>): T;
  }
}

expect.extend({
  toBeRefused({ value, problem, wire }: Outcome, error: string, members: Partial<Problem> = {}) {
    const actual = { value, problem };
    const expected = {
      value: undefined,
      problem: {
        type: `urn:nestjs-two-factor:${error}`,
        title: expect.stringMatching(/^[A-Z].+\.$/) as string,
        status: expect.any(Number) as number,
        error,
        instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/) as string,
        ...members,
      },
    };
    return {
      pass: this.equals(actual, expected, [], true),
      message: () => `It is ${this.isNot ? '' : 'not '}refused: ${error}. ${JSON.stringify(wire)}`,
      actual,
      expected,
    };
  },
});
