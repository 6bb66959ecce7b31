/**
 * An attacker that holds a part of what a customer has, or an account of its own. It proves that the owner of the password or the
 * session, but not of the phone, has 100 guesses in a row (NIST SP 800-63B-4 3.2.2: 100 * 10^-6 = 10^-4) and is then stopped
 * for good, and that right codes of an attacker's own authenticator buy no guess at another one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  type ConfirmationState,
  type MakeConfirmationInput,
} from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { startApp } from '../support/test-app.js';
import { Customer, FailureRun, Guesser } from './actors.js';
import {
  BOUND,
  DAY,
  manyAddresses,
  MINUTE,
  OPEN,
  OWNER,
  OWNER_AT_HOME,
  OWNER_PHONE,
  simulate,
  startWorld,
  type World,
} from './world.js';

const DEADLINE_MS = 600_000;

describe.each(engines.filter((engine) => engine !== 'better-sqlite3'))(
  'The owner of the password or session, but not of the phone, on %s',
  (engine) => {
    it(
      'has 100 guesses in four days or more, until the application resets the subject and its token',
      async () => {
        const world = await startWorld({ engine });
        try {
          const run = new FailureRun();
          const thief = new Guesser(world, { address: manyAddresses(), as: OWNER }, run);
          const open = new Customer(world, OPEN, DAY);
          const start = world.clock.now();

          await simulate(world.clock, 10 * DAY, [thief, open]);

          // 100 * 10^-6 = 10^-4.
          expect(await world.comparedAt(BOUND, OWNER)).toBe(100);
          expect(thief.compared).toBe(100);
          expect((thief.lastAt - start) / 1_000).toBeGreaterThan(4 * DAY);
          // Her open codes are not those that are guessed at.
          expect(open).toMatchObject({ needed: 10, atOnce: 10 });

          const ask = async (): Promise<unknown> => {
            const { status, headers } = await world.call(
              'request-confirmation',
              { purpose: BOUND },
              OWNER_AT_HOME,
            );
            return [status, headers['retry-after']];
          };
          expect(await ask()).toEqual([429, undefined]);
          await world.limits.reset({ token: OWNER_PHONE });
          await world.limits.reset({ subject: OWNER });
          expect(await ask()).toEqual([429, undefined]);
          await world.limits.reset({ subject: OWNER, token: OWNER_PHONE });
          expect(await ask()).toEqual([200, undefined]);
        } finally {
          await world.close();
        }
      },
      DEADLINE_MS,
    );
  },
);

// The owner above signs in by nothing that is bound. Where she does, each right code of hers ends the thief's run, as 3.2.2 says.
describe('The owner of the password or session, but not of the phone, whose victim signs in each day', () => {
  const MONTH_DAYS = 30;

  interface Month {
    readonly thief: Guesser;
    readonly owner: Customer;
    readonly longestRun: number;
  }

  /**
   * A month of a thief that stops each day after so many guesses until the owner has signed in again.
   *
   * @param first which of them is served first when the messages of a day begin anew.
   */
  async function month(guessesPerDay: number, first: 'owner' | 'thief'): Promise<Month> {
    const world = await startWorld({ engine: 'sqljs' });
    try {
      const run = new FailureRun();
      const thief = new Guesser(world, { address: manyAddresses(), as: OWNER }, run);
      const owner = new Customer(world, BOUND, DAY, run);
      let before = { day: -1, compared: 0 };
      const start = world.clock.now();
      const act = async (): Promise<number> => {
        const seconds = (world.clock.now() - start) / 1_000;
        const day = Math.floor(seconds / DAY);
        if (day > before.day) before = { day, compared: thief.compared };
        const isOver = thief.compared - before.compared >= guessesPerDay;
        return isOver ? (day + 1) * DAY - seconds : thief.act();
      };
      const actors = first === 'owner' ? [owner, { act }] : [{ act }, owner];
      await simulate(world.clock, MONTH_DAYS * DAY, actors);
      return { thief, owner, longestRun: run.longest };
    } finally {
      await world.close();
    }
  }

  it(
    'has nine guesses a day for ever, by two messages a day, when it stops before the first lock',
    async () => {
      const { thief, owner, longestRun } = await month(9, 'owner');

      // 270 * 10^-6 = 2.7 * 10^-4 in 30 days. With the wrong code that she types on each tenth day they are ten in a row.
      expect(thief).toMatchObject({ compared: 9 * MONTH_DAYS, messages: 2 * MONTH_DAYS });
      expect(longestRun).toBe(10);
      expect(owner).toMatchObject({ needed: MONTH_DAYS, atOnce: 27, succeeded: MONTH_DAYS });
      expect(owner.longestWaitSeconds).toBe(30);
    },
    DEADLINE_MS,
  );

  it(
    'has 30 guesses a day when it stops never, and she has the first message of each day',
    async () => {
      const { thief, owner, longestRun } = await month(Infinity, 'owner');

      // 900 * 10^-6 = 9 * 10^-4 in 30 days: the twenty messages of a day are what bounds it.
      expect(thief.compared).toBeGreaterThan(29 * MONTH_DAYS);
      expect(thief.compared).toBeLessThanOrEqual(30 * MONTH_DAYS);
      expect(thief.messages).toBeLessThanOrEqual(19 * MONTH_DAYS);
      expect(longestRun).toBe(31);
      expect(owner).toMatchObject({ needed: MONTH_DAYS, atOnce: 27, succeeded: MONTH_DAYS });
      expect(owner.longestWaitSeconds).toBe(15 * MINUTE);
    },
    DEADLINE_MS,
  );

  it(
    'is stopped for good by its hundredth guess in a row when it uses up her messages, so that no right code of hers ends the run',
    async () => {
      const { thief, owner, longestRun } = await month(Infinity, 'thief');

      // At most one right code of hers ended a run of ten: 110 * 10^-6.
      expect(thief.compared).toBeLessThanOrEqual(110);
      expect(longestRun).toBe(100);
      expect(owner.succeeded).toBeLessThanOrEqual(1);
    },
    DEADLINE_MS,
  );
});

const VICTIMS: readonly { what: string; is: MakeConfirmationInput }[] = [
  { what: "a subject's own token", is: { subject: OWNER, token: OWNER_PHONE, purpose: BOUND } },
  { what: 'codes that the application delivers itself', is: { subject: OWNER, purpose: BOUND } },
  { what: 'a token in an open purpose', is: { token: OWNER_PHONE, purpose: OPEN } },
];
const MALLORYS_PHONE = '+436609999999';
const OWN: readonly { what: string; is: MakeConfirmationInput }[] = [
  {
    what: 'a token that the client named for the same subject',
    is: { subject: OWNER, token: MALLORYS_PHONE, tokenFrom: 'client', purpose: 'change-phone' },
  },
  {
    what: 'another token of the same subject',
    is: { subject: OWNER, token: MALLORYS_PHONE, purpose: BOUND },
  },
  {
    what: "the attacker's own token in an open purpose",
    is: { token: MALLORYS_PHONE, purpose: OPEN },
  },
  {
    what: "the victim's token in the other class",
    is: { token: OWNER_PHONE, subject: 'mallory', tokenFrom: 'client', purpose: 'change-phone' },
  },
];
/** One authenticator by two ways: an open token is one token, whether a signed-in client named it or a stranger did. */
const isOneAuthenticator = (victim: MakeConfirmationInput, own: MakeConfirmationInput): boolean =>
  victim.subject === undefined && own.token === victim.token;

describe.each(engines)('A thief with the session of a person who has an app, on %s', (engine) => {
  it('reaches no number of its own by "send me a code instead"', async () => {
    const test = await startApp({ engine, options: { methods: METHODS, limits: {} } });
    const { subject } = await enrolApp(test, OWNER);
    const methods = ['totp', 'code'] as const;

    for (let number = 0; number < 30; number += 1) {
      const token = `+4366012${String(number).padStart(5, '0')}`;
      const asked = test.twoFactor.request({ subject, methods, token, tokenFrom: 'client' });
      await expect(asked).rejects.toMatchObject({ code: 'invalid-request' });
    }

    expect(test.inbox.deliveries).toEqual([]);
    expect(await test.dataSource.getRepository(ConfirmationRecord).count()).toBe(0);
    await test.close();
  });
});

describe.each(engines)('Right codes between guesses, on %s', (engine) => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ engine });
  });
  afterAll(() => world.close());

  const pairs = VICTIMS.flatMap((victim) =>
    OWN.filter((own) => !isOneAuthenticator(victim.is, own.is)).map((own) => ({ victim, own })),
  );

  it.each(pairs)(
    'buy no guess at $victim.what when they are of $own.what',
    async ({ victim, own }) => {
      const { confirmer } = world.test;
      const { token, subject } = victim.is;
      await world.limits.reset(subject === undefined ? { token: token! } : { subject, token });
      const make = (is: MakeConfirmationInput): Promise<ConfirmationState> =>
        confirmer.makeConfirmation(is);
      let compared = 0;
      let target: ConfirmationState | null = null;

      const guess = async (): Promise<unknown> => {
        if (target === null) target = await make(victim.is);
        const [state] = await confirmer.confirm(target.id, WRONG_CODE);
        compared += 1;
        if (state?.attemptsLeft === 0) target = null;
        return undefined;
      };
      let last: unknown = 'accepted';
      for (let round = 0; round < 25 && last === 'accepted'; round += 1) {
        last = await refusal(guess());
        const right = await make(own.is);
        expect((await confirmer.confirm(right.id, right.code!))[1]).toBe(true);
      }

      expect(compared).toBe(10);
      expect(last).toMatchObject({ 0: 429 });
    },
  );

  it('reset the failures of their own address, and keep those that strangers caused for the same address', async () => {
    const { confirmer } = world.test;
    const token = '+436601111111';
    const open = { token, purpose: OPEN };
    const bound = { token, subject: 'carol', purpose: BOUND };
    const wrong = async (is: MakeConfirmationInput): Promise<void> => {
      const { id } = await confirmer.makeConfirmation(is);
      for (let guess = 0; guess < 4; guess += 1) await confirmer.confirm(id, WRONG_CODE);
      await confirmer.cancel(id);
    };
    const right = async (is: MakeConfirmationInput): Promise<void> => {
      const { id, code } = await confirmer.makeConfirmation(is);
      expect((await confirmer.confirm(id, code!))[1]).toBe(true);
    };
    const counts = async (): Promise<number[]> => [
      (await world.limits.failures({ token })).count,
      (await world.limits.failures({ token, subject: 'carol' })).count,
    ];
    await wrong(open);
    await wrong(bound);
    expect(await counts()).toEqual([4, 4]);

    await right(bound);
    expect(await counts()).toEqual([4, 0]);
    await wrong(bound);
    await right(open);
    expect(await counts()).toEqual([0, 4]);
  });
});
