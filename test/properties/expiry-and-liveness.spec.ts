// The invariants of expiry, idempotence and liveness (docs/invariants.md), checked without the model against what callers see.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ConfirmationState, JsonValue } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import type { TestApp } from '../support/test-app.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { numberOf, World } from './world.js';
import { unlessMalformed } from './unless-malformed.js';

const TTL_MS = 600_000;
const USE_WITHIN_MS = 300_000;
const INSTANCES = 3;

describe.each(propertyEngines)('On %s', (engine) => {
  let world: World;
  let apps: TestApp[];

  beforeAll(async () => {
    world = await World.open({ engine, options: { resend: 'rotate' } });
    apps = [];
    for (let instance = 0; instance < INSTANCES; instance += 1) {
      apps.push(await world.app(['old'], instance));
    }
  });
  afterAll(() => world.close());

  const row = async (id: string) => (await world.rows()).get(id)!;

  it(
    'accepts a code until the millisecond before it expires, and a proof until the millisecond before its own end (I8)',
    async () => {
      const offset = fc.constantFrom(-1, 0, 1);
      const input = fc.record({ ttlSeconds: fc.integer({ min: 30, max: 86_400 }), offset });
      await fc.assert(
        fc.asyncProperty(input, offset, async ({ ttlSeconds, offset }, useOffset) => {
          await world.clear();
          const [app] = apps as [TestApp];
          const { confirmer } = app;
          const [typed, byHand] = await Promise.all([
            confirmer.makeConfirmation({ ttlSeconds }),
            confirmer.makeConfirmation({ ttlSeconds }),
          ]);
          const code = typed.code!;
          world.clock.advanceTo(typed.expiresAt.getTime() + offset);
          const isInTime = offset < 0;
          expect((await confirmer.confirm(typed, code))[1]).toBe(isInTime);
          expect(await byHand.confirm()).toBe(isInTime);

          world.clock.advanceTo(world.clock.now() + USE_WITHIN_MS + useOffset);
          const isUsable = isInTime && useOffset < 0;
          for (const state of [typed, byHand]) {
            expect((await confirmer.check(state))[1]).toBe(isUsable);
            expect(await confirmer.use(state)).toBe(isUsable);
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'changes nothing when the same request, use, cancel or purge is repeated (I12)',
    async () => {
      const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>;
      const input = fc.record(
        {
          purpose: fc.constantFrom('pay', 'login'),
          subject: fc.constantFrom('ann', 'bob'),
          details: json,
          meta: json,
          ttlSeconds: fc.constantFrom(30, 600),
        },
        { requiredKeys: [] },
      );
      const requestKey = 'the-key-of-a-request';
      const useKey = 'the-key-of-an-effect';
      await fc.assert(
        fc.asyncProperty(input, fc.boolean(), fc.nat({ max: 3 }), async (input, sends, more) => {
          await world.clear();
          const [app, other] = apps as [TestApp, TestApp, TestApp];
          const ask = async ({ confirmer, twoFactor }: TestApp): Promise<ConfirmationState> =>
            sends
              ? (
                  await twoFactor.request({
                    ...input,
                    token: 'ann@example.com',
                    idempotencyKey: requestKey,
                  })
                ).state
              : confirmer.makeConfirmation({ ...input, idempotencyKey: requestKey });
          const first = await ask(app).catch(unlessMalformed);
          fc.pre(first !== null);
          for (let repeated = 0; repeated < more; repeated += 1) {
            expect((await ask(other)).id).toBe(first.id);
          }
          expect((await world.rows()).size).toBe(1);
          expect(world.deliveries).toHaveLength(sends ? 1 : 0);

          const binding = {
            purpose: input.purpose,
            subject: input.subject,
            details: input.details,
          };
          const use = (app: TestApp): Promise<boolean> =>
            app.confirmer.use(first.id, { ...binding, idempotencyKey: useKey });
          await first.confirm();
          expect(await use(app)).toBe(true);
          const used = await row(first.id);
          world.clock.advanceTo(world.clock.now() + USE_WITHIN_MS * more);
          expect(await use(other)).toBe(true);
          expect(await row(first.id)).toEqual(used);

          const spare = await app.confirmer.makeConfirmation();
          expect(await app.confirmer.cancel(spare)).toBe(true);
          const cancelled = await row(spare.id);
          expect(await other.confirmer.cancel(spare.id)).toBe(false);
          expect(await row(spare.id)).toEqual(cancelled);

          world.clock.advanceTo(world.clock.now() + TTL_MS * 2);
          const olderThan = new Date(world.clock.now());
          expect(await app.confirmer.purge({ olderThan })).toBe(2);
          expect(await other.confirmer.purge({ olderThan })).toBe(0);
          expect((await world.rows()).size).toBe(0);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'confirms the code of the last message and uses its proof after any calls that leave it time and an attempt (L1)',
    async () => {
      const step = fc.oneof(
        fc.constantFrom('wrong', 'resend', 'check', 'useTooEarly'),
        fc.integer({ min: 1, max: 60_000 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          await world.clear();
          const [app, other] = apps as [TestApp, TestApp, TestApp];
          const { id, expiresAt } = await app.twoFactor.request({ token: 'ann@example.com' });
          let wrong = 0;
          for (const step of steps) {
            if (typeof step === 'number') {
              world.clock.advanceTo(Math.min(world.clock.now() + step, expiresAt.getTime() - 1));
            } else if (step === 'wrong' && wrong < 4) {
              wrong += 1;
              await other.confirmer.confirm(id, WRONG_CODE);
            } else if (step === 'resend') await app.twoFactor.resend(id).catch(() => undefined);
            else if (step === 'check') await app.confirmer.check(id);
            else expect(await app.confirmer.use(id)).toBe(false);
          }

          const { code } = world.deliveries.at(-1)!;
          expect((await other.confirmer.confirm(id, code))[1]).toBe(true);
          expect(await app.confirmer.use(id)).toBe(true);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'makes a new confirmation work when anything was spent before, and ends a pause when it says so (L2)',
    async () => {
      const fault = fc.constantFrom('wrong', 'transient', 'permanent', 'resend', 'cancel');
      await fc.assert(
        fc.asyncProperty(fc.array(fault, { maxLength: 10 }), async (faults) => {
          await world.clear();
          const [app] = apps as [TestApp];
          const first = await app.twoFactor.request({ token: 'ann@example.com' });
          for (const fault of faults) {
            if (fault === 'wrong') await app.confirmer.confirm(first.id, WRONG_CODE);
            else if (fault === 'cancel') await app.confirmer.cancel(first.id);
            else {
              world.failure = fault === 'resend' ? 'none' : fault;
              await app.twoFactor.resend(first.id).catch(() => undefined);
              world.failure = 'none';
            }
          }
          const [state] = await app.confirmer.check(first.id);
          if (state!.status === 'pending' && numberOf(await row(first.id), 'sends')! < 5) {
            world.clock.advanceTo(app.twoFactor.resendAt(state!).getTime());
            await app.twoFactor.resend(first.id);
          }

          const { id } = await app.twoFactor.request({ token: 'ann@example.com' });
          expect((await app.confirmer.confirm(id, world.deliveries.at(-1)!.code))[1]).toBe(true);
          expect(await app.confirmer.use(id)).toBe(true);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});
