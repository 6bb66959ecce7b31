// Two or three calls at once, their statements in every order that a scheduler draws: what they answer, and what the
// table holds then, is what the model says of the same calls one after the other, in some order.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  LimitService,
  TwoFactorTooManyRequestsError,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { Interleaver } from '../support/interleaver.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import type { Call, Target } from './calls.js';
import { LIMITS } from './limits-model.js';
import type { Answer, Drawn } from './model-rows.js';
import { Model } from './model.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { Session, same } from './session.js';
import { expectTable } from './steps.js';
import { World } from './world.js';

const CALLS = 3;
const TOKEN = 'ann@example.com';
const target: Target = { ref: 0, by: 'id' };
const none = 'none' as const;

const confirm = (code: 'right' | 'wrong'): Call => ({ op: 'confirm', target, code });
const use = (key?: string): Call => ({ op: 'use', target, binding: 'same', key });
const send = (token: string): Call => ({ op: 'send', target, name: null, token, failure: none });
const resend: Call = { op: 'resend', target, failure: none };
const cancel: Call = { op: 'cancel', target };
const purge: Call = { op: 'purge', olderThan: 'now' };
const erase: Call = { op: 'erase', subject: 'ann' };
const check: Call = { op: 'check', target };
const make: Call = { op: 'make', binding: { subject: 'ann' } };
const request: Call = { op: 'request', binding: { subject: 'ann' }, token: TOKEN, failure: none };
const wait = (ms: number): Call => ({ op: 'advance', to: { ms } });

/** How far the confirmation is in its life when the calls meet. */
const starts: Readonly<Record<string, readonly Call[]>> = {
  unsent: [make],
  pending: [request],
  resendable: [request, wait(30_000)],
  'at its last attempt': [request, ...Array.from({ length: 4 }, () => confirm('wrong'))],
  confirmed: [request, confirm('right')],
  'confirmed and over': [request, confirm('right'), wait(600_001)],
  expired: [request, wait(600_001)],
};

/** What is known to race, and anything with anything. */
const rivals = fc.oneof(
  fc.constantFrom<Call[]>(
    [use(), use()],
    [use('key-of-the-one-caller'), use('key-of-the-other-one')],
    [use('key-of-the-one-caller'), use('key-of-the-one-caller'), use()],
    [confirm('right'), confirm('right')],
    [confirm('wrong'), confirm('right')],
    [confirm('wrong'), confirm('wrong'), confirm('right')],
    [confirm('right'), cancel, use()],
    [resend, resend],
    [resend, resend, confirm('right')],
    [purge, use()],
    [send(TOKEN), send('bob@example.org')],
  ),
  fc.array(
    fc.constantFrom<Call>(
      use(),
      use('key-of-the-one-caller'),
      confirm('right'),
      confirm('wrong'),
      cancel,
      resend,
      send(TOKEN),
      send('bob@example.org'),
      purge,
      erase,
      check,
    ),
    { minLength: 2, maxLength: CALLS },
  ),
);

const configurations = propertyEngines.flatMap((engine) =>
  (['same', 'rotate'] as const).map((resend) => ({ engine, resend })),
);

describe.each(configurations)('On $engine, resending with $resend code,', ({ engine, resend }) => {
  let world: World;
  const interleaver = new Interleaver();

  beforeAll(async () => {
    world = await World.open({ engine, options: { resend } });
    for (let instance = 0; instance < CALLS; instance += 1) {
      interleaver.gate((await world.app(['old'], instance)).dataSource);
    }
  });
  afterAll(() => world.close());

  it(
    'concurrent calls answer as the model does in some order, whatever the order of their statements',
    async () => {
      const start = fc.constantFrom(...Object.keys(starts));
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), start, rivals, async (scheduler, start, calls) => {
          const model = new Model(resend, () => world.clock.now());
          const session = await Session.open(world, model);
          for (const call of starts[start]!) {
            const { answer, drawn } = await session.perform(call);
            expect(answer).toEqual(model.apply(call, drawn));
          }
          const sent = world.deliveries.length;

          const answers = await interleaver.run(
            scheduler,
            calls.map(
              (call, instance) => async () => (await session.perform(call, instance)).answer,
            ),
          );

          const messages = world.deliveries.slice(sent);
          // At most one of them can have drawn the code that now counts: the others are in their cooldown.
          const drawn = { codes: [messages[0]?.code ?? 'NEVERSENT'] };
          const after = orderThatExplains(model, calls, answers, drawn);
          expectTable(await world.rows(), after);
          const sends = (some: Model): number => some.row(0)?.sends ?? 0;
          if (after.row(0)) expect(messages).toHaveLength(sends(after) - sends(model));
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it('both of two uses of the naive twin win when their statements come in some order', async () => {
    const twins = await naiveTwins(world);
    const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      await world.clear();
      const { confirmer } = await world.app(['old']);
      const { id } = await confirmer.makeConfirmation({ isConfirmed: true });
      const won = await interleaver.run(
        scheduler,
        twins.slice(0, 2).map((twin) => () => twin.use(id)),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
    });

    expect(await fc.check(property, runs())).toMatchObject({ failed: true });
  });

  it('both of two codes of the naive twin are compared at the last attempt when their statements come in some order', async () => {
    const twins = await naiveTwins(world);
    const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      await world.clear();
      const { confirmer } = await world.app(['old']);
      const { id } = await confirmer.makeConfirmation();
      for (let tries = 0; tries < 4; tries += 1) await confirmer.confirm(id, 'WRONGWRONG');
      const compared = twins.reduce((sum, twin) => sum - twin.comparisons, 0);
      await interleaver.run(
        scheduler,
        twins.map((twin) => () => twin.confirm(id, false)),
      );
      expect(twins.reduce((sum, twin) => sum + twin.comparisons, compared)).toBe(1);
    });

    expect(await fc.check(property, runs())).toMatchObject({ failed: true });
  });
});

describe.each(propertyEngines)('With limits on %s,', (engine) => {
  let world: World;
  const interleaver = new Interleaver();
  const { lockAfter } = LIMITS.failures;
  const subject = 'ann';

  beforeAll(async () => {
    const limits = {
      failures: LIMITS.failures,
      pending: false as const,
      sendsPerToken: false as const,
    };
    world = await World.open({ engine, options: { limits } });
    for (let instance = 0; instance < CALLS; instance += 1) {
      interleaver.gate((await world.app(['old'], instance)).dataSource);
    }
    const { dataSource } = await world.app(['old']);
    await dataSource.query('CREATE TABLE naive_failures (amount int)');
  });
  afterAll(() => world.close());

  it(
    'compares no more codes than allowed when statements come in any order, and counts each (I4)',
    async () => {
      const call = fc.record({
        kind: fc.oneof(
          { weight: 6, arbitrary: fc.constant('wrong' as const) },
          { weight: 1, arbitrary: fc.constantFrom('right' as const, 'cancel' as const) },
        ),
        ref: fc.nat({ max: 1 }),
      });
      const calls = fc.array(call, { minLength: 2, maxLength: CALLS });
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.nat({ max: lockAfter - 1 }),
          calls,
          async (scheduler, wrongBefore, calls) => {
            await world.clear();
            const { confirmer, app } = await world.app(['old']);
            const states = [
              await confirmer.makeConfirmation({ subject }),
              await confirmer.makeConfirmation({ subject }),
            ] as const;
            for (let wrong = 0; wrong < wrongBefore; wrong += 1) {
              await confirmer.confirm(states[0], WRONG_CODE);
            }

            const confirmed = await interleaver.run(
              scheduler,
              calls.map(({ kind, ref }, instance) => async () => {
                const { confirmer } = await world.app(['old'], instance);
                const state = states[ref]!;
                if (kind === 'cancel') return (await confirmer.cancel(state)) && false;
                const code = kind === 'right' ? state.code! : WRONG_CODE;
                const [, done] = await confirmer.confirm(state, code).catch(lockedOut);
                return done;
              }),
            );

            const counts = await world.comparisons();
            const compared = [...counts.values()].reduce((sum, one) => sum + one, 0);
            const { count } = await app.get(LimitService, { strict: false }).failures({ subject });
            if (confirmed.includes(true)) expect(count).toBeLessThan(compared);
            else {
              expect(compared).toBeLessThanOrEqual(lockAfter);
              expect(count).toBe(compared);
            }
          },
        ),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it('codes that are counted naively are compared once too often, in some order of the statements', async () => {
    const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const { dataSource } = await world.app(['old']);
      await dataSource.query('DELETE FROM naive_failures');
      await dataSource.query(`INSERT INTO naive_failures VALUES (${lockAfter - 1})`);
      let compared = lockAfter - 1;
      const compare = async (instance: number): Promise<void> => {
        const { dataSource } = await world.app(['old'], instance);
        const rows: { amount: number }[] = await dataSource.query(
          'SELECT amount FROM naive_failures',
        );
        const { amount } = rows[0]!;
        if (amount >= lockAfter) return;
        compared += 1;
        await dataSource.query(`UPDATE naive_failures SET amount = ${amount + 1}`);
      };
      await interleaver.run(
        scheduler,
        [0, 1].map((instance) => () => compare(instance)),
      );
      expect(compared).toBeLessThanOrEqual(lockAfter);
    });

    expect(await fc.check(property, runs())).toMatchObject({ failed: true });
  });
});

/** What a lock refuses is not confirmed; anything else is not expected. */
function lockedOut(error: unknown): readonly [null, false] {
  if (error instanceof TwoFactorTooManyRequestsError) return [null, false];
  throw error;
}

async function naiveTwins(world: World): Promise<NaiveConfirmer[]> {
  const twins: NaiveConfirmer[] = [];
  for (let instance = 0; instance < CALLS; instance += 1) {
    const { dataSource } = await world.app(['old'], instance);
    twins.push(new NaiveConfirmer(dataSource.getRepository(ConfirmationRecord)));
  }
  return twins;
}

/** The model after an order of the calls in which each answers what it did answer. */
function orderThatExplains(
  model: Model,
  calls: readonly Call[],
  answers: readonly Answer[],
  drawn: Drawn,
): Model {
  const codes = calls.map((call) => ('code' in call ? model.codeOf(0, call.code) : ''));
  for (const order of permutations(calls.map((_, index) => index))) {
    const candidate = model.clone();
    const explains = order.every((index) => {
      const call = calls[index]!;
      // A code is what it was when it was typed, also if a resend has replaced it since.
      const typed = 'code' in call && codes[index] !== candidate.codeOf(0, call.code);
      const meant: Call = typed ? { ...call, code: 'old' } : call;
      return same(candidate.apply(meant, drawn), answers[index]);
    });
    if (explains) return candidate;
  }
  const seen = calls.map((call, index) => ({ call, answer: answers[index] }));
  throw new Error(`No order explains ${JSON.stringify(seen)}.`);
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}
