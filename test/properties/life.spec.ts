// The whole state machine against a model of it: whatever is done, in whatever order, every answer, every message and
// the whole table are what the model says.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Model } from './model.js';
import { DEADLINE_MS, propertyEngines, replay, runs } from './runs.js';
import { Session } from './session.js';
import { anyOf, beginning, comparisonsIn, Step, type Observed, type Weights } from './steps.js';
import { World } from './world.js';

/** A real one: slow, so there are few. */
const RESTARTS = { restart: 1 };

/** Histories about everything, and histories about one thing, in which what takes many steps happens. */
const lives = [
  {
    ...RESTARTS,
    make: 10,
    request: 10,
    send: 24,
    resend: 24,
    confirm: 60,
    confirmByHand: 6,
    use: 42,
    cancel: 6,
    check: 12,
    erase: 3,
    purge: 4,
    advance: 30,
    rotateKey: 6,
    dropKey: 9,
  },
  { ...RESTARTS, guess: 100, typeIn: 6, confirmByHand: 3, check: 6, repeat: 10, coolDown: 10 },
  { ...RESTARTS, coolDown: 50, repeat: 60, send: 20, typeIn: 3, guess: 6, check: 3 },
  { ...RESTARTS, typeIn: 30, spend: 40, use: 20, advance: 6, cancel: 10, check: 10 },
  {
    rotateKey: 20,
    dropKey: 16,
    repeat: 20,
    coolDown: 16,
    typeIn: 20,
    spend: 20,
    make: 6,
    request: 6,
  },
] satisfies Weights[];

const configurations = propertyEngines.flatMap((engine) =>
  (['same', 'rotate'] as const).map((resend) => ({ engine, resend })),
);

describe.each(configurations)('On $engine, resending with $resend code,', ({ engine, resend }) => {
  let world: World;

  beforeAll(async () => {
    // The model of limits is in limits.spec.ts, with the same histories.
    world = await World.open({ engine, options: { resend, limits: false } });
  });
  afterAll(() => world.close());

  it(
    'every answer, message and row is what the model says, over any history',
    async () => {
      const steps = fc.oneof(
        ...lives.map((weights) =>
          fc.commands([anyOf(weights).map((call) => new Step(call))], {
            maxCommands: 30,
            size: 'max',
            ...replay,
          }),
        ),
      );
      await fc.assert(
        fc.asyncProperty(beginning, steps, async (made, commands) => {
          const model = new Model(resend, () => world.clock.now());
          const real: Observed = { session: await Session.open(world, model), rows: new Map() };
          for (const step of made) await step.run(model, real);
          await fc.asyncModelRun(() => ({ model, real }), commands);
          expect(await comparisonsIn(real)).toEqual(Object.fromEntries(model.comparisons));
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});
