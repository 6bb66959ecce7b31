// What holds across confirmations, against a model of it, and as the invariants say it.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitService,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import type { TestApp } from '../support/test-app.js';
import type { Call } from './calls.js';
import { LIMITS, REQUESTERS } from './limits-model.js';
import { Model } from './model.js';
import { DEADLINE_MS, propertyEngines, replay, runs } from './runs.js';
import { Session } from './session.js';
import { anyOf, comparisonsIn, Step, type Observed, type Weights } from './steps.js';
import { World } from './world.js';

const INSTANCES = 3;
const { lockAfter, lockSeconds, maxLockSeconds, permanentLockAfter } = LIMITS.failures;

const lives = [
  {
    make: 10,
    request: 20,
    send: 14,
    resend: 14,
    confirm: 30,
    confirmByHand: 4,
    cancel: 6,
    failures: 6,
    reset: 3,
  },
  { ask: 20, guess: 60, typeIn: 5, waitABit: 20, failures: 6, reset: 1, cancel: 4, check: 2 },
  { ask: 40, repeat: 20, coolDown: 20, waitABit: 6, cancel: 20, typeIn: 6, guess: 6 },
  {
    ask: 20,
    guess: 20,
    rotateKey: 10,
    dropKey: 8,
    waitABit: 10,
    typeIn: 6,
    failures: 6,
    cancel: 4,
  },
  { restart: 1, ask: 20, guess: 60, waitABit: 20, advance: 20, purge: 10, failures: 10 },
] satisfies Weights[];

/**
 * By id, and all to live equally long: what a state that is out of date and lives of different length do is told by the
 * properties below.
 */
function plain(call: Call): Call {
  if (call.op === 'make' || call.op === 'request') {
    return { ...call, ttlSeconds: undefined };
  }
  return call.op === 'send' ? { ...call, target: { ...call.target, by: 'id' } } : call;
}

describe.each(propertyEngines)('With limits on %s,', (engine) => {
  let world: World;
  let apps: TestApp[];
  let limits: LimitService;

  beforeAll(async () => {
    world = await World.open({ engine, options: { limits: LIMITS } });
    apps = [];
    // The one with the number 0 is restarted by histories.
    for (let instance = 1; instance <= INSTANCES; instance += 1) {
      apps.push(await world.app(['old'], instance));
    }
    limits = apps[0]!.app.get(LimitService, { strict: false });
  });
  afterAll(() => world.close());

  it(
    'every answer, refusal, message and row is what the model says, over any history',
    async () => {
      const steps = fc.oneof(
        ...lives.map((weights) =>
          fc.commands([anyOf(weights).map((call) => new Step(plain(call)))], {
            maxCommands: 30,
            size: 'max',
            ...replay,
          }),
        ),
      );
      await fc.assert(
        fc.asyncProperty(steps, async (commands) => {
          const model = new Model('same', () => world.clock.now(), { hasLimits: true });
          const real: Observed = { session: await Session.open(world, model), rows: new Map() };
          await fc.asyncModelRun(() => ({ model, real }), commands);
          expect(await comparisonsIn(real)).toEqual(Object.fromEntries(model.comparisons));
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'compares so many codes of a token when there are any confirmations and callers, and makes no lock shorter than the one before (I4)',
    async () => {
      const round = fc.record({
        callers: fc.array(fc.nat({ max: INSTANCES - 1 }), { minLength: 1, maxLength: 6 }),
        waitsOut: fc.boolean(),
        startsAnew: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 8 }), async (rounds) => {
          await world.clear();
          const subject = 'ann';
          const make = async (): Promise<string> =>
            (await apps[0]!.confirmer.makeConfirmation({ subject, ttlSeconds: 86_400 })).id;
          const ids = [await make()];
          let lastLockMs = 0;
          for (const { callers, waitsOut, startsAnew } of rounds) {
            if (startsAnew) {
              await apps[0]!.confirmer.cancel(ids[0]!);
              const id = await make().catch(refusedAsLocked);
              if (id !== null) ids.unshift(id);
            }
            const before = await compared();
            await Promise.all(
              callers.map((caller) =>
                apps[caller]!.confirmer.confirm(ids[0]!, WRONG_CODE).catch(refusedAsLocked),
              ),
            );
            const { count, lockedUntil, isPermanentlyLocked } = await limits.failures({ subject });
            const after = await compared();
            expect(after).toBeLessThanOrEqual(permanentLockAfter);
            // Charged before it is compared: a comparison without its charge there never is.
            expect(count).toBeGreaterThanOrEqual(after);
            expect(isPermanentlyLocked).toBe(count >= permanentLockAfter);
            if (before >= lockAfter) expect(after - before).toBeLessThanOrEqual(1);
            else expect(after).toBeLessThanOrEqual(lockAfter);
            if (lockedUntil !== null) {
              const lockMs = lockedUntil.getTime() - world.clock.now();
              if (after > before) {
                expect(lockMs).toBeGreaterThanOrEqual(lastLockMs);
                expect(lockMs).toBeLessThanOrEqual(maxLockSeconds * 1_000);
                lastLockMs = lockMs;
              }
              if (waitsOut) world.clock.advanceTo(lockedUntil.getTime());
            }
          }

          async function compared(): Promise<number> {
            const counts = await world.comparisons();
            return [...counts.values()].reduce((sum, one) => sum + one, 0);
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'ends everything but a permanent lock when its window is over after any history, and a reset ends that (L2)',
    async () => {
      const calls = fc.array(anyOf({ ask: 10, guess: 20, repeat: 6, coolDown: 6, waitABit: 3 }), {
        maxLength: 20,
      });
      await fc.assert(
        fc.asyncProperty(calls, async (calls) => {
          const model = new Model('same', () => world.clock.now(), { hasLimits: true });
          const session = await Session.open(world, model);
          for (const call of calls) {
            const { drawn } = await session.perform(plain(call));
            model.apply(plain(call), drawn);
          }
          world.clock.advanceTo(world.clock.now() + 86_400_000);

          const token = 'ann@example.com';
          const asked = [
            { input: { token }, scope: { token } },
            { input: { token, subject: 'ann', tokenFrom: 'client' as const }, scope: { token } },
            { input: { token, subject: 'ann' }, scope: { token, subject: 'ann' } },
          ];
          for (const { input, scope } of asked) {
            const { isPermanentlyLocked } = await limits.failures(scope);
            if (isPermanentlyLocked) await limits.reset(scope);
            const { id } = await apps[1]!.twoFactor.request(input);
            const { code } = world.deliveries.at(-1)!;
            expect((await apps[2]!.confirmer.confirm(id, code))[1]).toBe(true);
            expect(await limits.failures(scope)).toMatchObject({ count: 0 });
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'classes: after whatever strangers do to a token, and to it alone, a subject gets and confirms a code at once',
    async () => {
      const act = fc.record({
        isSignedIn: fc.boolean(),
        requester: fc.option(fc.constantFrom(...REQUESTERS), { nil: undefined }),
        wrongCodes: fc.nat({ max: 5 }),
        waitsSeconds: fc.constantFrom(0, 0, 150, 600),
        makesWithoutMessage: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
          await world.clear();
          const token = 'ann@example.com';
          const { confirmer, twoFactor } = apps[0]!;
          for (const {
            isSignedIn,
            requester,
            wrongCodes,
            waitsSeconds,
            makesWithoutMessage,
          } of acts) {
            world.clock.advanceTo(world.clock.now() + waitsSeconds * 1_000);
            const party = isSignedIn ? { subject: 'eve', tokenFrom: 'client' as const } : {};
            const made = makesWithoutMessage
              ? confirmer.makeConfirmation({ token, ...party })
              : twoFactor.request({ token, requester, ...party });
            const id = await made.then((one) => one.id, refusedByLimit);
            if (id === null) continue;
            for (let wrong = 0; wrong < wrongCodes; wrong += 1) {
              await confirmer.confirm(id, WRONG_CODE).catch(refusedByLimit);
            }
          }

          const { id } = await twoFactor.request({ token, subject: 'ann' });
          const { code } = world.deliveries.at(-1)!;
          expect((await confirmer.confirm(id, code))[1]).toBe(true);
          expect(await limits.failures({ token, subject: 'ann' })).toMatchObject({ count: 0 });
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'answers a request the same when it is repeated with its key, whatever else was spent meanwhile (I12)',
    async () => {
      const input = fc.record({
        others: fc.nat({ max: 2 }),
        repeats: fc.integer({ min: 1, max: 4 }),
      });
      await fc.assert(
        fc.asyncProperty(input, async ({ others, repeats }) => {
          await world.clear();
          const ask = async (key?: string): Promise<string> =>
            (
              await apps[0]!.twoFactor.request({
                token: 'ann@example.com',
                subject: 'ann',
                idempotencyKey: key,
              })
            ).id;
          const id = await ask('the-key-of-a-request');
          for (let other = 0; other < others; other += 1) {
            await ask().catch(refusedAsLocked);
          }
          const sent = world.deliveries.length;
          for (let repeated = 0; repeated < repeats; repeated += 1) {
            expect(await ask('the-key-of-a-request')).toBe(id);
          }
          expect(world.deliveries).toHaveLength(sent);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'a message that was not sent costs nothing, also when its confirmation is gone when it is charged',
    async () => {
      const end = fc.constantFrom('erase', 'cancel', 'confirm', 'purge', 'expire');
      await fc.assert(
        fc.asyncProperty(end, fc.integer({ min: 1, max: 4 }), async (end, tries) => {
          await world.clear();
          const { confirmer, sender, twoFactor } = apps[0]!;
          // The state is held on to, and knows nothing of what happens.
          const state = await confirmer.makeConfirmation({ subject: 'ann' });
          const ends = {
            erase: () => confirmer.erase({ subject: 'ann' }),
            cancel: () => confirmer.cancel(state.id),
            confirm: () => confirmer.confirm(state.id, state.code!),
            purge: async () => {
              world.clock.advanceTo(world.clock.now() + 600_001);
              await confirmer.purge({ olderThan: new Date(world.clock.now()) });
            },
            expire: async () => world.clock.advanceTo(world.clock.now() + 600_000),
          };
          await ends[end]();
          for (let tried = 0; tried < tries; tried += 1) {
            await expect(sender.send(null, 'ann@example.com', state)).rejects.toMatchObject({
              code: expect.stringMatching(
                /^(not-found|cancelled|already-confirmed|expired)$/,
              ) as string,
            });
          }

          // All three messages of this window are still there.
          for (let message = 0; message < 3; message += 1) {
            await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
          }
          expect(world.deliveries).toHaveLength(3);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'reports the time at which a slot becomes free when a caller must wait (L2)',
    async () => {
      const ttlSeconds = fc.integer({ min: 30, max: 600 });
      await fc.assert(
        fc.asyncProperty(ttlSeconds, ttlSeconds, ttlSeconds, async (one, other, third) => {
          await world.clear();
          const { confirmer } = apps[0]!;
          await confirmer.makeConfirmation({ subject: 'ann', ttlSeconds: one });
          await confirmer.makeConfirmation({ subject: 'ann', ttlSeconds: other });
          const again = { subject: 'ann', ttlSeconds: third };

          await expect(confirmer.makeConfirmation(again)).rejects.toMatchObject({
            retryAfterSeconds: Math.min(one, other),
          });
          world.clock.advanceTo(world.clock.now() + Math.min(one, other) * 1_000);
          await expect(confirmer.makeConfirmation(again)).resolves.toBeDefined();
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it.each([
    // Strangers are told the wait in steps of five minutes.
    ['a stranger', {}, 300],
    ['a subject', { subject: 'ann' }, lockSeconds],
  ])(
    'locks after the expected number of wrong codes of %s, so that the properties above meet a lock',
    async (_, party, retryAfterSeconds) => {
      await world.clear();
      const token = 'ann@example.com';
      const { id } = await apps[0]!.twoFactor.request({ token, ...party });
      for (let wrong = 0; wrong < lockAfter; wrong += 1)
        await apps[0]!.confirmer.confirm(id, WRONG_CODE);

      await expect(apps[1]!.confirmer.confirm(id, WRONG_CODE)).rejects.toMatchObject({
        retryAfterSeconds,
      });
    },
  );
});

/** `null` for a refusal by a limit. */
function refusedAsLocked(error: unknown): null {
  if (error instanceof TwoFactorTooManyRequestsError) return null;
  throw error;
}

/** `null` for a refusal by any limit, also one that protects the application's own costs. */
function refusedByLimit(error: unknown): null {
  if (error instanceof TwoFactorUnavailableError && error.limit !== null) return null;
  return refusedAsLocked(error);
}
