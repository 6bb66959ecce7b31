/**
 * One customer's number for 30 days, attacked by strangers with 10,000 addresses and unlimited patience. It proves that the
 * customer always gets and confirms a code of a bound purpose at once, and that the guesses stay under the limit of
 * NIST SP 800-63B-4 3.2.2: at most 100 consecutive failed attempts of one authenticator.
 *
 * The module itself is run: an application with the default limits, its bundled controller over HTTP, a real database. Only
 * the clock is a double. It skips from event to event, and the attacker acts as soon as it is let.
 */
import { describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { Customer, FailureRun, Guesser } from './actors.js';
import { SHARED_LIMITS, sharedCounters } from './shared-counters.js';
import {
  BOUND,
  DAY,
  HOUR,
  manyAddresses,
  MINUTE,
  OPEN,
  OWNER,
  OWNER_PHONE,
  simulate,
  startWorld,
  type World,
  type WorldInput,
} from './world.js';

const MONTH_DAYS = 30;
/** A month takes about 3,000 requests; a shared machine may be slow. */
const DEADLINE_MS = 600_000;
/** In memory, and on the servers. The file of better-sqlite3 has the same statements as sql.js. */
const monthEngines = engines.filter((engine) => engine !== 'better-sqlite3');
/** What one guess at a code of six digits is worth: 1 of 10^6. */
const CHANCE_OF_ONE_GUESS = 1e-6;
/** 100 guesses in a row, which 3.2.2 allows: 100 * 10^-6 = 10^-4. */
const NIST_RUN = 100;

interface Month {
  readonly bound: Customer;
  readonly open: Customer;
  readonly guesser: Guesser;
  /** Wrong codes in a row at the number's open codes, over all that type them. */
  readonly longestRun: number;
  /** Codes that the database saw compared at the owner's bound confirmations. */
  readonly comparedBound: number;
  readonly comparedOpen: number;
  readonly messagesToOwner: number;
  readonly messagesInAll: number;
}

interface Attack {
  readonly address: () => string;
  readonly pauseSeconds?: number;
}

async function month(
  input: WorldInput,
  attack: Attack | null,
  after?: (world: World) => Promise<void>,
): Promise<Month> {
  const world = await startWorld(input);
  try {
    const run = new FailureRun();
    const guesser = new Guesser(world, attack ?? { address: () => '' }, run);
    const bound = new Customer(world, BOUND, 6 * HOUR);
    const open = new Customer(world, OPEN, 2 * DAY, run);
    // The stranger even learns the ids of her confirmations, while they are pending.
    if (attack) bound.onPending = (id) => guesser.guessAtForeign(id);
    const actors = attack ? [guesser, bound, open] : [bound, open];
    await simulate(world.clock, MONTH_DAYS * DAY, actors);
    await after?.(world);
    return {
      bound,
      open,
      guesser,
      longestRun: run.longest,
      comparedBound: await world.comparedAt(BOUND, OWNER),
      comparedOpen: await world.comparedAt(OPEN, ''),
      messagesToOwner: world.messagesTo(OWNER_PHONE),
      messagesInAll: world.test.inbox.deliveries.length,
    };
  } finally {
    await world.close();
  }
}

/** What must hold whatever strangers do. */
function assertOwnerIsHeldFree({ bound, comparedBound, longestRun, guesser }: Month): void {
  // Every 6 hours for 30 days: 120 codes. Stated time: none of them is refused, each is confirmed and used at once.
  expect(bound).toMatchObject({ needed: 120, atOnce: 120, refusals: 0, longestWaitSeconds: 0 });
  // The database compared her own codes and no other: 0 guesses * 10^-6 = 0.
  expect(comparedBound - bound.typed).toBe(0);
  // Her open codes: each run of wrong ones ends at the 100th for good, or before by a right one: 100 * 10^-6 = 10^-4.
  expect(longestRun).toBeLessThanOrEqual(NIST_RUN);
  expect(longestRun * CHANCE_OF_ONE_GUESS).toBeLessThanOrEqual(1e-4);
  expect([...guesser.foreign]).toEqual([404]);
}

const manyAddressesAtOnce = (): Attack => ({ address: manyAddresses() });
const twin = (): WorldInput => ({
  engine: 'sqljs',
  limits: SHARED_LIMITS,
  options: { limitStore: sharedCounters([{ subject: OWNER, token: OWNER_PHONE }]) },
});

describe.each(monthEngines)("A month against one customer's number on %s", (engine) => {
  it(
    'gives her each bound code at once, and compares no guess with it, when 10,000 addresses guess',
    async () => {
      const seen = await month({ engine }, manyAddressesAtOnce(), async (world) => {
        // It has stopped the open codes of that token, which `reset` of the token ends.
        expect(await world.limits.failures({ token: OWNER_PHONE })).toMatchObject({
          count: NIST_RUN,
          isPermanentlyLocked: true,
        });
        // What strangers did is no failure of hers.
        expect(await world.limits.failures({ subject: OWNER, token: OWNER_PHONE })).toMatchObject({
          count: 0,
          lockedUntil: null,
          isPermanentlyLocked: false,
        });
      });

      assertOwnerIsHeldFree(seen);
      // The attack leaves her no open code. The 100th guess, on the ninth day, stops the token for good: 100 * 10^-6 = 10^-4 in
      // 30 days as for ever.
      expect(seen.guesser.compared).toBe(NIST_RUN);
      expect(seen.comparedOpen).toBe(seen.guesser.compared + seen.open.typed);
      // 10 messages a day to the number, as long as it is not stopped for good.
      expect(seen.guesser.messages).toBeLessThanOrEqual(10 * MONTH_DAYS);
      expect(seen.bound.messages).toBe(120);
      expect(seen.messagesToOwner).toBe(
        seen.guesser.messages + seen.open.messages + seen.bound.messages,
      );
      expect(seen.messagesInAll).toBe(seen.messagesToOwner);
    },
    DEADLINE_MS,
  );
});

describe("A month against one customer's number", () => {
  it(
    'gives her each bound code at once when one address guesses once in three hours',
    async () => {
      const attack = { address: () => '20.0.0.7', pauseSeconds: 3 * HOUR };
      const seen = await month({ engine: 'sqljs' }, attack);

      assertOwnerIsHeldFree(seen);
      // 8 guesses a day, and her own right open codes end each run, as 3.2.2 says: 240 * 10^-6 = 2.4 * 10^-4 in 30 days, in
      // runs of 17. Each open code of hers waits for a lock, half an hour at most.
      expect(seen.guesser.compared).toBe(240);
      expect(seen.longestRun).toBe(17);
      expect(seen.open.succeeded).toBe(15);
      expect(seen.open.longestWaitSeconds).toBeLessThanOrEqual(30 * MINUTE);
    },
    DEADLINE_MS,
  );

  it(
    'gives her each code at once in both kinds of purposes when there is no attack',
    async () => {
      const { bound, open, messagesToOwner } = await month({ engine: 'sqljs' }, null);

      expect(bound).toMatchObject({ needed: 120, atOnce: 120 });
      expect(open).toMatchObject({ needed: 15, atOnce: 15 });
      expect(messagesToOwner).toBe(135);
    },
    DEADLINE_MS,
  );

  it(
    'refuses her for weeks in the naive twin, whose purposes share the counters of the token',
    async () => {
      const seen = await month(twin(), manyAddressesAtOnce());

      expect(() => assertOwnerIsHeldFree(seen)).toThrow('to match object');
      expect(seen.bound.atOnce).toBeLessThan(seen.bound.needed / 2);
      expect(seen.bound.longestWaitSeconds).toBeGreaterThan(7 * DAY);
    },
    DEADLINE_MS,
  );
});
