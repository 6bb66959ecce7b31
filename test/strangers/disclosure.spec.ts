/**
 * What the answers to strangers disclose. It proves that a stranger learns nothing of what the owner of a number did in bound
 * purposes, and that no wait of a counter that strangers share is finer than five minutes.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { comparable, type Answer } from '../support/http.js';
import { refusal } from '../support/refusal.js';
import { DEADLINE_MS } from '../properties/runs.js';
import { SHARED_LIMITS, sharedCounters } from './shared-counters.js';
import {
  BOUND,
  FORGOTTEN,
  HOUR,
  idOf,
  OPEN,
  OTHER_BOUND,
  phoneOfUser,
  retryAfter,
  startWorld,
  type Caller,
  type Route,
  type World,
  type WorldInput,
} from './world.js';

const COARSE_SECONDS = 300;
const START = new Date('2026-06-01T10:00:00Z');

type StrangerStep =
  | { readonly by: 'stranger'; readonly does: 'request'; readonly from: number }
  | {
      readonly by: 'stranger';
      readonly does: 'confirm' | 'check' | 'resend';
      readonly from: number;
      readonly which: number;
    };
type OwnerStep =
  | { readonly by: 'owner'; readonly does: 'request' | 'make'; readonly purpose: string }
  | { readonly by: 'owner'; readonly does: 'wrong' | 'right' | 'resend' };
type Step = StrangerStep | OwnerStep | { readonly by: 'clock'; readonly seconds: number };

const stranger: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      by: fc.constant('stranger' as const),
      does: fc.constant('request' as const),
      from: fc.nat(3),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      by: fc.constant('stranger' as const),
      does: fc.constantFrom(
        'confirm' as const,
        'confirm' as const,
        'check' as const,
        'resend' as const,
      ),
      from: fc.nat(3),
      which: fc.nat(7),
    }),
  },
);
const owner: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    by: fc.constant('owner' as const),
    does: fc.constantFrom('request' as const, 'make' as const),
    purpose: fc.constantFrom(BOUND, OTHER_BOUND),
  }),
  fc.record({
    by: fc.constant('owner' as const),
    does: fc.constantFrom(
      'wrong' as const,
      'wrong' as const,
      'wrong' as const,
      'right' as const,
      'resend' as const,
    ),
  }),
);
const clock = fc.record({
  by: fc.constant('clock' as const),
  seconds: fc.constantFrom(7, 31, 299, 601),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: stranger },
    { weight: 4, arbitrary: owner },
    { weight: 1, arbitrary: clock },
  ),
  { minLength: 10, maxLength: 40 },
);

/** The same steps in two worlds, which differ in what the owner did in bound purposes. */
class Pair {
  /** What the owner did in all: wrong codes that were compared, and messages. */
  wrong = 0;
  messages = 0;
  #customers = 0;

  private constructor(
    readonly quiet: World,
    readonly busy: World,
  ) {}

  static async start(input: WorldInput): Promise<Pair> {
    return new Pair(
      await startWorld({ ...input, start: START }),
      await startWorld({ ...input, start: START }),
    );
  }

  async close(): Promise<void> {
    await this.quiet.close();
    await this.busy.close();
  }

  /** @returns what strangers were answered in each world. */
  async run(script: readonly Step[]): Promise<[quiet: unknown[], busy: unknown[]]> {
    const customer = `customer${(this.#customers += 1)}`;
    const inQuiet = script.filter((step) => step.by !== 'owner');
    const answers: [unknown[], unknown[]] = [
      await this.#play(this.quiet, customer, inQuiet),
      await this.#play(this.busy, customer, script),
    ];
    for (const { clock: each } of [this.quiet, this.busy]) each.advance({ hours: 2 });
    return answers;
  }

  async #play(world: World, customer: string, script: readonly Step[]): Promise<unknown[]> {
    const answers: unknown[] = [];
    const strangers: string[] = [];
    const owners: { id: string; code: string }[] = [];
    for (const step of script) {
      if (step.by === 'clock') world.clock.advance({ seconds: step.seconds });
      else if (step.by === 'owner') await this.#owner(world, customer, owners, step);
      else answers.push(await strangerDoes(world, customer, strangers, step));
    }
    return answers;
  }

  async #owner(
    world: World,
    customer: string,
    owners: { id: string; code: string }[],
    step: OwnerStep,
  ): Promise<void> {
    const caller: Caller = { from: '192.0.2.1', as: customer };
    const { confirmer, inbox } = world.test;
    const last = owners.at(-1);
    if (step.does === 'request') {
      const asked = await world.call('request-confirmation', { purpose: step.purpose }, caller);
      if (asked.status !== 200) return;
      this.messages += 1;
      owners.push({ id: idOf(asked), code: inbox.lastCode });
    } else if (step.does === 'make') {
      const token = phoneOfUser(customer);
      const made = confirmer.makeConfirmation({ purpose: step.purpose, subject: customer, token });
      await refusal(made.then(({ id, code }) => owners.push({ id, code: code! })));
    } else if (last !== undefined && step.does === 'resend') {
      await world.call('resend', { id: last.id }, caller);
    } else if (last !== undefined) {
      const code = step.does === 'right' ? last.code : WRONG_CODE;
      const { status } = await world.call('confirm', { id: last.id, code }, caller);
      if (status === 422) this.wrong += 1;
    }
  }
}

async function strangerDoes(
  world: World,
  customer: string,
  ids: string[],
  step: StrangerStep,
): Promise<unknown> {
  const caller = { from: `20.0.${step.from}.7` };
  const call = async (route: Route, body: Record<string, unknown>): Promise<Answer> =>
    world.call(route, body, caller);
  if (step.does === 'request') {
    const token = phoneOfUser(customer);
    const asked = await call('request-confirmation', { purpose: OPEN, token });
    if (asked.status === 200) ids.push(idOf(asked));
    return [step.does, withoutIds(asked)];
  }
  const id = ids[step.which % Math.max(1, ids.length)];
  if (id === undefined) return null;
  const body = step.does === 'confirm' ? { id, code: WRONG_CODE } : { id };
  return [step.does, withoutIds(await call(step.does, body))];
}

/** The answer byte for byte, but for the random ids in it. */
function withoutIds(answer: Answer): unknown {
  const { text, ...others } = answer;
  return comparable({ ...others, text: text.replaceAll(/"[0-9a-v]{36}"/g, '"-"') });
}

const disclosureEngines = engines.filter((engine) => engine === 'sqljs' || engine === 'postgres');

describe.each(disclosureEngines)('What a stranger learns, on %s', (engine) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await Pair.start({ engine });
  });
  afterAll(() => pair.close());

  it(
    'is the same when the owner asked for codes and typed wrong ones in bound purposes',
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (script) => {
          const [quiet, busy] = await pair.run(script);
          expect(busy).toEqual(quiet);
        }),
        { numRuns: 40 },
      );
      expect(pair.wrong).toBeGreaterThan(20);
      expect(pair.messages).toBeGreaterThan(20);
    },
    DEADLINE_MS,
  );

  it(
    'is the same when the owner is locked, and locked for good, in a bound purpose',
    async () => {
      const wrong: Step = { by: 'owner', does: 'wrong' };
      const request: Step = { by: 'owner', does: 'request', purpose: BOUND };
      const day: Step = { by: 'clock', seconds: 24 * HOUR };
      const asked: Step = { by: 'stranger', does: 'request', from: 0 };
      const guess: Step = { by: 'stranger', does: 'confirm', from: 0, which: 0 };
      const before = pair.wrong;
      // Ten wrong codes, then four guesses a day until the 100th.
      const script: Step[] = [
        request,
        wrong,
        wrong,
        wrong,
        wrong,
        wrong,
        request,
        wrong,
        wrong,
        wrong,
        wrong,
      ];
      for (let day100 = 0; day100 < 92; day100 += 1) script.push(day, request, wrong);
      script.push(asked, guess, asked, guess, asked, guess);

      const [quiet, busy] = await pair.run(script);

      expect(busy).toEqual(quiet);
      expect(quiet).toHaveLength(6);
      expect(pair.wrong - before).toBe(100);
    },
    DEADLINE_MS,
  );
});

describe('What a stranger learns', () => {
  it('is when the owner asked for a code, in the naive twin, whose purposes share the counters', async () => {
    const customer = 'customer1';
    const pair = await Pair.start({
      engine: 'sqljs',
      limits: SHARED_LIMITS,
      options: {
        limitStore: sharedCounters([{ subject: customer, token: phoneOfUser(customer) }]),
      },
    });
    try {
      const request: Step = { by: 'owner', does: 'request', purpose: BOUND };
      const asked: Step = { by: 'stranger', does: 'request', from: 0 };
      const [quiet, busy] = await pair.run([request, asked, asked, asked, asked, asked]);
      expect(busy).not.toEqual(quiet);
    } finally {
      await pair.close();
    }
  });
});

describe('The wait that a stranger reads', () => {
  let world: World;
  const start = async (limits: WorldInput['limits'] = {}): Promise<void> => {
    world = await startWorld({ engine: 'sqljs', limits, start: START });
  };
  /** Asks until it is refused. */
  const refused = async (ask: (index: number) => Promise<Answer>): Promise<Answer> => {
    for (let index = 0; index < 100; index += 1) {
      const answer = await ask(index);
      if (answer.status !== 200) return answer;
    }
    throw new Error('No request was refused.');
  };
  const request = (token: string, from: string): Promise<Answer> =>
    world.call('request-confirmation', { purpose: OPEN, token }, { from });

  const counters: readonly {
    readonly limit: string;
    readonly limits?: WorldInput['limits'];
    readonly ask: (index: number) => Promise<Answer>;
  }[] = [
    { limit: 'sends-per-token', ask: (index) => request('ann@example.com', `20.${index}.0.1`) },
    { limit: 'sends-per-requester', ask: (index) => request(`a${index}@example.com`, '20.0.0.1') },
    {
      limit: 'sends-per-network',
      ask: (index) => request(`a${index}@example.com`, `20.0.0.${index}`),
    },
    { limit: 'sends-per-network', ask: (index) => request(`a${index}@example.com`, '') },
    {
      limit: 'sends-in-total',
      limits: { sendsInTotal: { open: [{ max: 7, perSeconds: HOUR }] } },
      ask: (index) => request(`a${index}@example.com`, `20.${index}.0.1`),
    },
    {
      limit: 'sends-per-sender',
      limits: { sendsPerSender: [{ max: 7, perSeconds: HOUR }] },
      ask: (index) => request(`a${index}@example.com`, `20.${index}.0.1`),
    },
  ];

  it.each(counters)(
    'is a multiple of five minutes when $limit refuses',
    async ({ limits, ask }) => {
      await start(limits);
      try {
        // The window began with a request of another stranger, at a moment that the wait must not tell.
        await refused(ask);
        world.clock.advance({ seconds: 137 });
        const answer = await ask(99);

        expect([429, 503]).toContain(answer.status);
        const wait = retryAfter(answer)!;
        expect(wait).toBeGreaterThan(0);
        expect(wait % COARSE_SECONDS).toBe(0);
        // It is no promise that does not hold: after that time the request is answered.
        world.clock.advance({ seconds: wait });
        expect((await ask(99)).status).toBe(200);
      } finally {
        await world.close();
      }
    },
  );

  it('is a multiple of five minutes when the messages of the person refuse whose name a stranger claims', async () => {
    await start();
    try {
      const owner = { from: '192.0.2.1', as: 'ann' };
      for (let sent = 0; sent < 5; sent += 1) {
        expect((await world.call('request-confirmation', { purpose: BOUND }, owner)).status).toBe(
          200,
        );
      }
      world.clock.advance({ seconds: 137 });
      const claimed = { from: '20.0.0.1', as: 'ann' };
      const answer = await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed);
      const own = await world.call('request-confirmation', { purpose: BOUND }, owner);

      expect([answer.status, retryAfter(answer)]).toEqual([429, 2 * COARSE_SECONDS]);
      expect([own.status, retryAfter(own)]).toEqual([429, 600 - 137]);
    } finally {
      await world.close();
    }
  });

  it('is a multiple of five minutes when the locks of the person refuse whose name a stranger claims', async () => {
    await start();
    try {
      const owner = { from: '192.0.2.1', as: 'ann' };
      const claimed = { from: '20.0.0.1', as: 'ann' };
      const asked = await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed);
      for (let request = 0; request < 2; request += 1) {
        const { body } = await world.call('request-confirmation', { purpose: BOUND }, owner);
        const { id } = body as { id: string };
        for (let guess = 0; guess < 5; guess += 1) {
          await world.call('confirm', { id, code: WRONG_CODE }, owner);
        }
      }
      world.clock.advance({ seconds: 7 });
      const id = idOf(asked);
      const answers = [
        await world.call('confirm', { id, code: WRONG_CODE }, claimed),
        await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed),
        await world.call('request-confirmation', { purpose: BOUND }, owner),
      ];

      expect(answers.map(({ status }) => status)).toEqual([429, 429, 429]);
      expect(answers.map(retryAfter)).toEqual([COARSE_SECONDS, COARSE_SECONDS, 23]);
    } finally {
      await world.close();
    }
  });

  it('is a multiple of five minutes when a lock refuses, and the wait of a signed-in owner is exact', async () => {
    await start();
    try {
      const guessTen = async (body: Record<string, unknown>, caller: Caller): Promise<Answer[]> => {
        const ids: string[] = [];
        for (const _ of [1, 2, 3]) {
          ids.push(idOf(await world.call('request-confirmation', body, caller)));
        }
        for (let guess = 0; guess < 10; guess += 1) {
          const id = ids[Math.floor(guess / 5)]!;
          expect((await world.call('confirm', { id, code: WRONG_CODE }, caller)).status).toBe(422);
        }
        world.clock.advance({ seconds: 7 });
        return [
          await world.call('confirm', { id: ids[2]!, code: WRONG_CODE }, caller),
          await world.call('request-confirmation', body, caller),
        ];
      };
      const open = await guessTen(
        { purpose: OPEN, token: 'ann@example.com' },
        { from: '20.0.0.1' },
      );
      expect(open.map(({ status }) => status)).toEqual([429, 429]);
      expect(open.map(retryAfter)).toEqual([COARSE_SECONDS, COARSE_SECONDS]);

      const bound = await guessTen({ purpose: BOUND }, { from: '20.0.0.1', as: 'ann' });
      expect(bound.map(({ status }) => status)).toEqual([429, 429]);
      expect(bound.map(retryAfter)).toEqual([23, 23]);
    } finally {
      await world.close();
    }
  });
});
