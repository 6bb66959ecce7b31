/**
 * The messages of all customers, attacked by a flood: of one network, of 10,000 addresses, of one account. It proves that
 * no flood of strangers takes a message from a signed-in customer, also not one that claims to be a thousand users, and that a network or an account uses up its own share
 * alone. The windows are an hour long, so that two hours show all that a longer flood does.
 */
import { afterEach, describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { SHARED_LIMITS, sharedCounters } from './shared-counters.js';
import {
  BOUND,
  DAY,
  FORGOTTEN,
  HOUR,
  idOf,
  manyAddresses,
  MINUTE,
  OPEN,
  phoneOfUser,
  retryAfter,
  simulate,
  startWorld,
  type Actor,
  type World,
  type WorldInput,
} from './world.js';

const DEADLINE_MS = 600_000;
const HOURS = 2;
/** Requests that the flood has under way at once. */
const AT_ONCE = 25;
const floodEngines = engines.filter((engine) => engine !== 'better-sqlite3');
let world: World;
let next = 0;

const stranger = (): string => `stranger${(next += 1)}@example.com`;

afterEach(() => world.close());

async function start(input: WorldInput): Promise<void> {
  world = await startWorld(input);
}

/** Asks for messages as fast as it is let. */
class Flood implements Actor {
  messages = 0;
  readonly refusals = new Map<number, number>();

  constructor(
    private readonly ask: () => { body: Record<string, unknown>; from: string; as?: string },
    private readonly atOnce = AT_ONCE,
  ) {}

  async act(): Promise<number> {
    const answers = await Promise.all(
      Array.from({ length: this.atOnce }, () => {
        const { body, ...caller } = this.ask();
        return world.call('request-confirmation', body, caller);
      }),
    );
    this.messages += answers.filter(({ status }) => status === 200).length;
    const refused = answers.filter(({ status }) => status !== 200);
    for (const { status } of refused) {
      this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
    }
    if (refused.length < answers.length) return 0;
    return Math.min(5 * MINUTE, ...refused.map((answer) => retryAfter(answer) ?? HOUR));
  }
}

/** Customers that come one after the other and need a code each. */
class Visitors implements Actor {
  came = 0;
  served = 0;
  readonly refusals: number[] = [];

  constructor(
    private readonly everySeconds: number,
    private readonly purpose: string,
  ) {}

  async act(): Promise<number> {
    this.came += 1;
    const token = stranger();
    const from = `198.51.${this.came % 100}.1`;
    const { purpose } = this;
    const caller = purpose === OPEN ? { from } : { from, as: token };
    const body = purpose === OPEN ? { purpose, token } : { purpose };
    const asked = await world.call('request-confirmation', body, caller);
    if (asked.status === 200) {
      const code = world.test.inbox.lastCode;
      const { status } = await world.call('confirm', { id: idOf(asked), code }, caller);
      if (status === 200) this.served += 1;
    } else this.refusals.push(asked.status);
    return this.everySeconds;
  }
}

describe.each(floodEngines)('Under a flood, the module on %s', (engine) => {
  it(
    'serves each signed-in customer at once when 10,000 addresses use up the messages of open purposes',
    async () => {
      await start({ engine });
      const addresses = manyAddresses();
      const flood = new Flood(() => ({
        body: { purpose: OPEN, token: stranger() },
        from: addresses(),
      }));
      const signedIn = new Visitors(2 * MINUTE, BOUND);
      const open = new Visitors(10 * MINUTE, OPEN);

      await simulate(world.clock, HOURS * HOUR, [flood, signedIn, open]);

      expect(signedIn).toMatchObject({ came: 60, served: 60, refusals: [] });
      // 500 paid messages an hour, whatever it costs the flood.
      expect(flood.messages + open.served).toBe(HOURS * 500);
      expect([...flood.refusals.keys()]).toEqual([503]);
      expect(new Set(open.refusals)).toEqual(new Set([503]));
    },
    DEADLINE_MS,
  );

  it(
    'sends 60 messages an hour, and serves all other customers, when one IPv6 /48 floods',
    async () => {
      await start({ engine });
      let subnet = 0;
      const flood = new Flood(() => ({
        body: { purpose: OPEN, token: stranger() },
        // Another /64 of another /56 each time.
        from: `2001:db8:77:${(subnet = (subnet + 0x0101) % 0x10000).toString(16)}::1`,
      }));
      const open = new Visitors(2 * MINUTE, OPEN);
      const signedIn = new Visitors(2 * MINUTE, BOUND);

      await simulate(world.clock, HOURS * HOUR, [flood, signedIn, open]);

      expect(flood.messages).toBe(HOURS * 60);
      expect([...flood.refusals.keys()]).toEqual([429]);
      expect(open).toMatchObject({ came: 60, served: 60 });
      expect(signedIn).toMatchObject({ came: 60, served: 60 });
    },
    DEADLINE_MS,
  );

  it(
    'sends 20 messages a day, and serves all other customers, when one signed-in account floods',
    async () => {
      await start({ engine });
      const addresses = manyAddresses();
      const flood = new Flood(
        () => ({ body: { purpose: BOUND }, from: addresses(), as: 'mallory' }),
        8,
      );
      const signedIn = new Visitors(HOUR, BOUND);
      const open = new Visitors(HOUR, OPEN);

      await simulate(world.clock, DAY, [flood, signedIn, open]);

      expect(flood.messages).toBe(20);
      expect(world.messagesTo(phoneOfUser('mallory'))).toBe(20);
      expect([...flood.refusals.keys()]).toEqual([429]);
      expect(signedIn).toMatchObject({ came: 24, served: 24 });
      expect(open).toMatchObject({ came: 24, served: 24 });
    },
    DEADLINE_MS,
  );
});

/** One address that claims to be a thousand users who have forgotten their passwords. */
function floodOfNames(from: () => string): Flood {
  let name = 0;
  return new Flood(() => {
    name = (name + 1) % 1_000;
    return { body: { purpose: FORGOTTEN }, from: from(), as: `user${name}` };
  });
}

describe.each(floodEngines)('Under a flood of claimed subjects, the module on %s', (engine) => {
  it(
    'cuts one address off after ten messages, and serves signed-in customers and all who have forgotten a password',
    async () => {
      await start({ engine });
      const flood = floodOfNames(() => '203.0.113.9');
      const signedIn = new Visitors(2 * MINUTE, BOUND);
      const forgetful = new Visitors(10 * MINUTE, FORGOTTEN);

      await simulate(world.clock, HOURS * HOUR, [flood, signedIn, forgetful]);

      expect(flood.messages).toBe(HOURS * 10);
      expect([...flood.refusals.keys()]).toEqual([429]);
      expect(signedIn).toMatchObject({ came: 60, served: 60 });
      expect(forgetful).toMatchObject({ came: 12, served: 12 });
    },
    DEADLINE_MS,
  );

  it(
    'spends the messages of open purposes, and none of signed-in customers, when 10,000 addresses take part',
    async () => {
      await start({ engine });
      const flood = floodOfNames(manyAddresses());
      const signedIn = new Visitors(2 * MINUTE, BOUND);

      await simulate(world.clock, HOUR, [flood, signedIn]);

      expect(flood.messages).toBe(500);
      expect([...flood.refusals.keys()]).toEqual([503]);
      expect(signedIn).toMatchObject({ came: 30, served: 30 });
    },
    DEADLINE_MS,
  );
});

describe('Under a flood, the module', () => {
  it(
    'refuses signed-in customers in the naive twin, whose purpose does not say that its subjects are only claimed',
    async () => {
      await start({ engine: 'sqljs', claimedSubject: false });
      const flood = floodOfNames(() => '203.0.113.9');
      const signedIn = new Visitors(2 * MINUTE, BOUND);

      await simulate(world.clock, HOUR, [flood, signedIn]);

      expect(flood.messages).toBeGreaterThan(4_900);
      expect(signedIn.served).toBeLessThan(signedIn.came / 2);
      expect(new Set(signedIn.refusals)).toEqual(new Set([503]));
    },
    DEADLINE_MS,
  );

  it(
    'refuses signed-in customers in the naive twin, whose purposes share the total',
    async () => {
      await start({
        engine: 'sqljs',
        limits: SHARED_LIMITS,
        options: { limitStore: sharedCounters([{ subject: 'any', token: stranger() }]) },
      });
      const addresses = manyAddresses();
      const flood = new Flood(() => ({
        body: { purpose: OPEN, token: stranger() },
        from: addresses(),
      }));
      const signedIn = new Visitors(2 * MINUTE, BOUND);

      await simulate(world.clock, HOUR, [flood, signedIn]);

      expect(signedIn.served).toBeLessThan(signedIn.came / 2);
      expect(new Set(signedIn.refusals)).toEqual(new Set([503]));
    },
    DEADLINE_MS,
  );

  it('sends ten messages an hour when an account names the tokens itself, from 10,000 addresses', async () => {
    await start({ engine: 'sqljs' });
    const addresses = manyAddresses();
    const { twoFactor } = world.test;
    const ask = async (subject: string, token: string): Promise<string> =>
      twoFactor
        .request({
          purpose: BOUND,
          subject,
          token,
          tokenFrom: 'client',
          requester: addresses(),
        })
        .then(
          () => 'sent',
          (error: { limit: string }) => error.limit,
        );
    const outcomes: string[] = [];
    for (let index = 0; index < 30; index += 1) outcomes.push(await ask('mallory', stranger()));

    expect(outcomes.filter((outcome) => outcome === 'sent')).toHaveLength(10);
    expect(new Set(outcomes.slice(10))).toEqual(new Set(['sends-per-requester']));
    expect(await ask('bob', stranger())).toBe('sent');
    // Its own bound messages are its own still.
    const own = { purpose: BOUND, subject: 'mallory', token: phoneOfUser('mallory') };
    expect((await twoFactor.request(own)).attemptsLeft).toBe(5);
  });
});
