// I11: whatever an untyped caller hands to a public method, the answer is a documented result or a documented error, and
// nothing is left rejected, hanging or written.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorError, type ConfirmationState } from '../../lib/index.js';
import type { TestApp } from '../support/test-app.js';
import { anything, attempt } from './arbitraries.js';
import { DEADLINE_MS, runs } from './runs.js';
import { World } from './world.js';

/** Likely and unlikely members of the inputs. */
const member = fc.oneof(
  anything(),
  fc.string({ unit: 'binary' }),
  fc.webUrl(),
  fc.emailAddress(),
  fc.constantFrom<unknown>(
    'default',
    'ann@example.com',
    NaN,
    Infinity,
    -1,
    600,
    new Date(NaN),
    Symbol('s'),
    () => undefined,
    Promise.resolve('x'),
    'x'.repeat(20_000),
    // What looks like a transaction of the application.
    { queryRunner: { isTransactionActive: true } },
    { queryRunner: null },
  ),
);

const MEMBERS = [
  'purpose',
  'subject',
  'details',
  'meta',
  'isConfirmed',
  'token',
  'way',
  'ttlSeconds',
  'context',
  'key',
  'manager',
  'olderThan',
  'batchSize',
  'signal',
] as const;

/** Anything, or an object with the right members and anything in them. */
const input = fc.oneof(
  anything(),
  fc.constantFrom<unknown>(null, undefined, 0, '', true, [], 'text'),
  fc.record(
    Object.fromEntries(MEMBERS.map((name) => [name, member])) as Record<string, typeof member>,
    { requiredKeys: [] },
  ),
  // One wrong member among good ones.
  fc
    .tuple(fc.constantFrom(...MEMBERS), member)
    .map(([name, value]) => ({ token: 'ann@example.com', subject: 'ann', [name]: value })),
);

type Method = (app: TestApp, ...args: never[]) => unknown;

const METHODS: Readonly<Record<string, Method>> = {
  makeConfirmation: ({ confirmer }, ...args) => confirmer.makeConfirmation(...args),
  check: ({ confirmer }, ...args: [never]) => confirmer.check(...args),
  confirm: ({ confirmer }, ...args: [never, never]) => confirmer.confirm(...args),
  use: ({ confirmer }, ...args: [never]) => confirmer.use(...args),
  cancel: ({ confirmer }, ...args: [never]) => confirmer.cancel(...args),
  erase: ({ confirmer }, ...args: [never]) => confirmer.erase(...args),
  purge: ({ confirmer }, ...args: never[]) => confirmer.purge(...args),
  send: ({ sender }, ...args: [never, never, never]) => sender.send(...args),
  'sender.resend': ({ sender }, ...args: [never]) => sender.resend(...args),
  'sender.sender': ({ sender }, ...args: [never]) => sender.sender(...args),
  request: ({ twoFactor }, ...args: [never]) => twoFactor.request(...args),
  resend: ({ twoFactor }, ...args: [never]) => twoFactor.resend(...args),
};

describe('Whatever it is given,', () => {
  let world: World;
  let app: TestApp;
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);

  beforeAll(async () => {
    world = await World.open({ engine: 'sqljs' });
    app = await world.app(['old']);
    process.on('unhandledRejection', note);
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await world.close();
  });

  it.each(Object.keys(METHODS))(
    'answers, or throws a documented error, when %s is called (I11)',
    async (name) => {
      let state: ConfirmationState;
      const reference = fc.oneof(
        { weight: 2, arbitrary: fc.constant('its id' as const) },
        { weight: 1, arbitrary: fc.constant('its state' as const) },
        { weight: 2, arbitrary: anything() },
      );
      const first = ['check', 'confirm', 'use', 'cancel', 'sender.resend', 'resend'].includes(name)
        ? reference
        : input;
      const args = fc.tuple(first, input, reference, input);
      await fc.assert(
        fc.asyncProperty(args, fc.integer({ min: 0, max: 4 }), async (args, count) => {
          await world.clear();
          state = await app.confirmer.makeConfirmation({
            subject: 'ann',
            token: 'ann@example.com',
          });
          const given = args
            .slice(0, count)
            .map((arg) => (arg === 'its id' ? state.id : arg === 'its state' ? state : arg));
          const before = (await world.rows()).get(state.id);

          const error = await attempt(() => METHODS[name]!(app, ...(given as never[])));

          if (error === undefined) return;
          expect(error).toBeInstanceOf(TwoFactorError);
          // A refused input has written, charged and sent nothing.
          if ((error as TwoFactorError).code === 'invalid-request') {
            expect((await world.rows()).get(state.id)).toEqual(before);
            expect(world.deliveries).toHaveLength(0);
          }
        }),
        runs(),
      );
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      expect(unhandled).toEqual([]);
    },
    DEADLINE_MS,
  );
});
