/**
 * What the answers to strangers disclose. It proves that a stranger learns nothing of what the owner of a number did in bound
 * purposes. What the waits of refusals disclose is in waits.spec.ts.
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
  HOUR,
  idOf,
  OPEN,
  OTHER_BOUND,
  phoneOfUser,
  startWorld,
  type Caller,
  type Route,
  type World,
  type WorldInput,
} from './world.js';

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
