// I11 for the services of factors, limits and the queue: whatever an untyped caller hands to a public method, the answer is a
// documented result or a documented error, and the enrolled factors are what they were when the input is refused.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  DeliveryService,
  FactorService,
  LimitService,
  recoveryCodes,
  totp,
  TwoFactorError,
  type ConfirmationState,
} from '../../lib/index.js';
import { passkeys } from '../../lib/methods/passkey/index.js';
import { enrolApp, type EnrolledSubject } from '../support/authenticator.js';
import { DEVICES } from '../support/devices.js';
import { PASSKEY_OPTIONS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { anything, attempt } from './arbitraries.js';
import { DEADLINE_MS, runs } from './runs.js';

const SUBJECT = 'ann';

/** What a call is given in place of a value that is known only once the application runs. */
const PLACES = ['its id', 'its state', 'its factor', 'its code'] as const;

const MEMBERS = [
  'subject',
  'method',
  'label',
  'account',
  'factor',
  'response',
  'secret',
  'digits',
  'period',
  'algorithm',
  'allowLast',
  'confirmation',
  'batchSize',
  'signal',
  'manager',
  'token',
  'code',
  'purpose',
  'requester',
  'tokenFrom',
] as const;

/** Members that a call accepts, among which one or several are wrong. */
const member = fc.oneof(
  { weight: 2, arbitrary: anything() },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(
      ...PLACES,
      SUBJECT,
      'totp',
      'passkey',
      'recovery',
      'device',
      'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
      6,
      30,
      'SHA1',
      true,
      NaN,
      -1,
      '\uD800',
      'x'.repeat(20_000),
      { queryRunner: { isTransactionActive: true } },
      { aborted: 'perhaps' },
      { id: 'x', rawId: 'x', type: 'public-key', response: {}, clientExtensionResults: {} },
    ),
  },
);

const someMembers = fc.record(Object.fromEntries(MEMBERS.map((name) => [name, member])), {
  requiredKeys: [],
});

/** Anything, members alone, or a call that would succeed but for the members that replace its own. */
const input = fc.oneof(
  anything(),
  someMembers,
  fc
    .tuple(
      fc.constantFrom<Readonly<Record<string, unknown>>>(
        { subject: SUBJECT, method: 'totp' },
        { subject: SUBJECT, method: 'passkey' },
        { subject: SUBJECT, factor: 'its factor', response: 'its code' },
        { subject: SUBJECT, factor: 'its factor', label: 'Phone' },
        { subject: SUBJECT, method: 'totp', secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' },
        { confirmation: 'its state', label: 'Laptop' },
        { method: 'totp', code: 'its code' },
        { method: 'recovery', code: 'its code' },
        { method: 'passkey', response: {} },
        { method: 'device', token: 'x'.repeat(43) },
        { subject: SUBJECT },
        { token: 'ann@example.com' },
      ),
      fc.constantFrom(...MEMBERS),
      member,
    )
    .map(([good, name, value]) => ({ ...good, [name]: value })),
);

type Method = (test: TestApp, ...args: never[]) => unknown;

const factors = ({ app }: TestApp): FactorService => app.get(FactorService, { strict: false });
const limits = ({ app }: TestApp): LimitService => app.get(LimitService, { strict: false });
const queue = ({ app }: TestApp): DeliveryService => app.get(DeliveryService, { strict: false });

const METHODS: Readonly<Record<string, Method>> = {
  'factors.list': (test, ...args: [never]) => factors(test).list(...args),
  'factors.enrol': (test, ...args: [never]) => factors(test).enrol(...args),
  'factors.activate': (test, ...args: [never]) => factors(test).activate(...args),
  'factors.tryActivate': (test, ...args: [never]) => factors(test).tryActivate(...args),
  'factors.import': (test, ...args: [never]) => factors(test).import(...args),
  'factors.rename': (test, ...args: [never]) => factors(test).rename(...args),
  'factors.remove': (test, ...args: [never]) => factors(test).remove(...args),
  'factors.regenerateRecoveryCodes': (test, ...args: [never]) =>
    factors(test).regenerateRecoveryCodes(...args),
  'factors.remember': (test, ...args: [never]) => factors(test).remember(...args),
  'factors.forgetDevices': (test, ...args: [never]) => factors(test).forgetDevices(...args),
  'factors.erase': (test, ...args: [never]) => factors(test).erase(...args),
  'factors.reseal': (test, ...args: [never]) => factors(test).reseal(...args),
  'limits.reset': (test, ...args: [never]) => limits(test).reset(...args),
  'limits.failures': (test, ...args: [never]) => limits(test).failures(...args),
  'limits.resetPrefix': (test, ...args: [never]) => limits(test).resetPrefix(...args),
  'queue.sweep': (test, ...args: [never]) => queue(test).sweep(...args),
  'queue.status': (test, ...args: [never]) => queue(test).status(...args),
};

/** Those that are given a confirmation before the input. */
const OF_A_CONFIRMATION: Readonly<Record<string, Method>> = {
  'confirm with a response': ({ confirmer }, ...args: [never, never]) => confirmer.confirm(...args),
  challenge: ({ confirmer }, ...args: [never, never]) => confirmer.challenge(...args),
};

describe('Whatever it is given,', () => {
  let test: TestApp;
  let ann: EnrolledSubject;
  let state: ConfirmationState;
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);

  beforeAll(async () => {
    test = await startApp({
      engine: 'sqljs',
      options: {
        delivery: 'queued',
        worker: false,
        // Each of some thousand runs makes a confirmation of the same subject.
        limits: { pending: false },
        methods: [
          totp({ issuer: 'ACME' }),
          recoveryCodes({ count: 4 }),
          DEVICES,
          passkeys(PASSKEY_OPTIONS),
        ],
        purposes: {
          pay: {
            subject: () => SUBJECT,
            recipient: () => 'ann@example.com',
            methods: ['code', 'totp', 'recovery', 'device', 'passkey'],
          },
        },
      },
    });
    process.on('unhandledRejection', note);
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await test.close();
  });

  const placed = (value: unknown): unknown => {
    if (value === 'its id') return state.id;
    if (value === 'its state') return state;
    if (value === 'its factor') return ann.factorId;
    if (value === 'its code') return ann.app.code();
    return value;
  };
  const filled = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
      ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, placed(each)]))
      : placed(value);

  async function begin(): Promise<void> {
    await factors(test).erase({ subject: SUBJECT });
    ann = await enrolApp(test, SUBJECT);
    state = await test.confirmer.makeConfirmation({
      purpose: 'pay',
      subject: SUBJECT,
      token: 'ann@example.com',
    });
  }

  async function expectDocumented(call: () => unknown): Promise<void> {
    const before = await factors(test).list({ subject: SUBJECT });

    const error = await attempt(call);

    if (error === undefined) return;
    expect(error).toBeInstanceOf(TwoFactorError);
    if ((error as TwoFactorError).code !== 'invalid-request') return;
    expect(await factors(test).list({ subject: SUBJECT })).toEqual(before);
  }

  it.each(Object.keys(METHODS))(
    'answers, or throws a documented error, when %s is called (I11)',
    async (name) => {
      await fc.assert(
        fc
          .asyncProperty(fc.array(input, { maxLength: 2 }), async (args) => {
            await expectDocumented(() => METHODS[name]!(test, ...(args.map(filled) as never[])));
          })
          .beforeEach(begin),
        runs(),
      );
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      expect(unhandled).toEqual([]);
    },
    DEADLINE_MS,
  );

  it.each(Object.keys(OF_A_CONFIRMATION))(
    'answers, or throws a documented error, for: %s (I11)',
    async (name) => {
      const reference = fc.constantFrom<unknown>(...PLACES, undefined);
      await fc.assert(
        fc
          .asyncProperty(reference, fc.array(input, { maxLength: 2 }), async (first, args) => {
            const given = [placed(first), ...args.map(filled)] as never[];
            await expectDocumented(() => OF_A_CONFIRMATION[name]!(test, ...given));
          })
          .beforeEach(begin),
        runs(),
      );
      expect(unhandled).toEqual([]);
    },
    DEADLINE_MS,
  );
});
