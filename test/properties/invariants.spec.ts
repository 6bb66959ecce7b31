// The invariants of docs/invariants.md, checked without the model against what callers see and what the table holds.
import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { JsonValue, ProofBinding } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import type { TestApp } from '../support/test-app.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { expectMonotone } from './steps.js';
import { numberOf, World } from './world.js';
import { unlessMalformed } from './unless-malformed.js';

const TTL_MS = 600_000;
const USE_WITHIN_MS = 300_000;
const INSTANCES = 3;

/** Calls that are made at the same time, on several instances of the application. */
function batches<T>(call: fc.Arbitrary<T>): fc.Arbitrary<{ instance: number; call: T }[][]> {
  const one = fc.record({ instance: fc.nat({ max: INSTANCES - 1 }), call });
  return fc.array(fc.array(one, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 });
}

const key = fc.option(fc.constantFrom('the-key-of-caller-1', 'the-key-of-caller-2'), {
  nil: undefined,
});

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

  /** Does every batch at once and one batch after the other. */
  async function all<T, R>(
    rounds: readonly (readonly { instance: number; call: T }[])[],
    work: (app: TestApp, call: T) => Promise<R>,
  ): Promise<R[]> {
    const answers: R[] = [];
    for (const round of rounds) {
      answers.push(
        ...(await Promise.all(round.map(({ instance, call }) => work(apps[instance]!, call)))),
      );
    }
    return answers;
  }

  const row = async (id: string) => (await world.rows()).get(id)!;

  it(
    'gives a proof to one caller or one key when many callers use it with any keys (I1)',
    async () => {
      const uses = batches(fc.record({ key, isRight: fc.boolean() }));
      await fc.assert(
        fc.asyncProperty(uses, async (rounds) => {
          await world.clear();
          const { id } = await apps[0]!.confirmer.makeConfirmation({ isConfirmed: true });
          const answers = await all(rounds, async (app, { key, isRight }) => {
            const purpose = isRight ? undefined : 'other';
            return {
              key,
              isRight,
              used: await app.confirmer.use(id, { purpose, idempotencyKey: key }),
            };
          });

          const winners = answers.filter(({ used }) => used);
          const keys = new Set(winners.map((winner) => winner.key));
          expect(keys.size).toBeLessThanOrEqual(1);
          if (keys.has(undefined)) expect(winners).toHaveLength(1);
          expect(winners.every(({ isRight }) => isRight)).toBe(true);
          expect(winners.length > 0).toBe(answers.some(({ isRight }) => isRight));
          const { used_at, use_key } = await row(id);
          expect(used_at !== null).toBe(winners.length > 0);
          expect(use_key).toBe([...keys][0] ?? null);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'lets a use succeed only when a confirm came before it, each in its window (I2)',
    async () => {
      const step = fc.oneof(
        fc.constantFrom('right', 'right', 'wrong', 'byHand', 'use', 'use', 'cancel'),
        fc.constantFrom(1, TTL_MS / 2, TTL_MS - 1, USE_WITHIN_MS - 1, USE_WITHIN_MS, TTL_MS),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), async (steps) => {
          await world.clear();
          const [app] = apps as [TestApp];
          const state = await app.confirmer.makeConfirmation();
          const code = state.code!;
          const madeAt = world.clock.now();
          const confirmedAt: number[] = [];
          for (const step of steps) {
            const now = world.clock.now();
            if (typeof step === 'number') world.clock.advanceTo(now + step);
            else if (step === 'use') {
              if (await app.confirmer.use(state)) {
                expect(confirmedAt).toHaveLength(1);
                expect(now - confirmedAt[0]!).toBeLessThan(USE_WITHIN_MS);
              }
            } else if (step === 'cancel') await app.confirmer.cancel(state);
            else {
              const confirmed =
                step === 'byHand'
                  ? await state.confirm()
                  : (await app.confirmer.confirm(state, step === 'right' ? code : WRONG_CODE))[1];
              if (!confirmed) continue;
              expect(step).not.toBe('wrong');
              expect(now - madeAt).toBeLessThan(TTL_MS);
              confirmedAt.push(now);
            }
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'makes no more comparisons in the database than there are attempts when many callers guess (I3)',
    async () => {
      const calls = batches(
        fc.oneof(
          { weight: 8, arbitrary: fc.constant('wrong' as const) },
          { weight: 1, arbitrary: fc.constantFrom('right' as const, 'resend' as const) },
        ),
      );
      await fc.assert(
        fc.asyncProperty(calls, async (rounds) => {
          await world.clear();
          const { id } = await apps[0]!.twoFactor.request({ token: 'ann@example.com' });
          const answers = await all(rounds, async (app, call) => {
            if (call !== 'resend') {
              const code = call === 'right' ? world.drawn.at(-1)! : WRONG_CODE;
              return (await app.confirmer.confirm(id, code))[1];
            }
            world.clock.advanceTo(world.clock.now() + 1_000);
            await app.twoFactor.resend(id).catch(() => undefined);
            return false;
          });

          const compared = (await world.comparisons()).get(id) ?? 0;
          expect(compared).toBeLessThanOrEqual(5);
          expect(numberOf(await row(id), 'attempts')).toBe(compared);
          expect(answers.filter(Boolean).length).toBeLessThanOrEqual(1);
          const asked = rounds.flat().filter(({ call }) => call !== 'resend').length;
          // What was not compared was refused because of something.
          if (!answers.includes(true)) expect(compared).toBe(Math.min(5, asked));
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'never takes back counters, status and what was written when calls are concurrent (I5)',
    async () => {
      const calls = batches(
        fc.constantFrom('wrong', 'right', 'byHand', 'use', 'cancel', 'send', 'resend', 'check'),
      );
      await fc.assert(
        fc.asyncProperty(calls, async (rounds) => {
          await world.clear();
          const { id, state } = await apps[0]!.twoFactor.request({ token: 'ann@example.com' });
          let before = await world.rows();
          for (const round of rounds) {
            world.clock.advanceTo(world.clock.now() + 30_000);
            await all([round], async ({ confirmer, sender }, call) => {
              const code = world.drawn.at(-1)!;
              const work = {
                wrong: () => confirmer.confirm(id, WRONG_CODE),
                right: () => confirmer.confirm(id, code),
                byHand: () => state.confirm(),
                use: () => confirmer.use(id),
                cancel: () => confirmer.cancel(id),
                send: () => sender.send(null, 'ann@example.com', id),
                resend: () => sender.resend(id),
                check: () => confirmer.check(id),
              };
              await work[call]().catch(() => undefined);
            });
            const after = await world.rows();
            expectMonotone(before, after);
            before = after;
          }
          expect([...before.keys()]).toEqual([id]);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'confirms by a code only when that is the last one of its own confirmation (I6)',
    async () => {
      const tokens = ['ann@example.com', 'bob@example.org', 'eve@example.net'];
      const step = fc.record({
        ref: fc.nat({ max: tokens.length - 1 }),
        codeOf: fc.nat({ max: tokens.length - 1 }),
        resends: fc.boolean(),
        isOld: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
          await world.clear();
          const [app] = apps as [TestApp];
          const ids: string[] = [];
          for (const token of tokens) ids.push((await app.twoFactor.request({ token })).id);
          const codesOf = (ref: number): string[] =>
            world.deliveries.filter(({ state }) => state.id === ids[ref]).map(({ code }) => code);
          for (const { ref, codeOf, resends, isOld } of steps) {
            world.clock.advanceTo(world.clock.now() + 60_000);
            if (resends) await app.twoFactor.resend(ids[ref]!).catch(() => undefined);
            const code = isOld ? codesOf(codeOf)[0]! : codesOf(codeOf).at(-1)!;
            const [, confirmed] = await app.confirmer.confirm(ids[ref]!, code);
            if (confirmed) expect(code === codesOf(ref).at(-1)).toBe(true);
          }
          for (const { code, state, token } of world.deliveries) {
            const ref = ids.indexOf(state.id);
            expect(token).toBe(tokens[ref]);
            const others = ids.flatMap((_, other) => (other === ref ? [] : codesOf(other)));
            expect(others.includes(code)).toBe(false);
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'uses a proof only when purpose, subject and details are those it was made for (I7)',
    async () => {
      const name = fc.constantFrom('pay', 'pa', 'pay-2', undefined);
      const subject = fc.oneof(
        fc.constantFrom('ann', 'Ann', 'ann ', 'ann\u0301', undefined),
        fc.string({ minLength: 1, maxLength: 255, unit: 'grapheme' }),
      );
      const small = fc.constantFrom<JsonValue>(1, 1.5, '1', null, 0, -0, [], {}, [null], { a: 1 });
      const details = fc.oneof(
        fc.constant(undefined),
        small,
        fc.dictionary(fc.constantFrom('a', 'b', '10', '9', 'é', ''), small, { maxKeys: 3 }),
        fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>,
      );
      const binding = fc.record({ purpose: name, subject, details });
      const presented = fc.oneof(
        fc.constant('same' as const),
        fc.constantFrom('purpose' as const, 'subject' as const, 'details' as const),
      );
      await fc.assert(
        fc.asyncProperty(binding, binding, presented, async (given, other, which) => {
          await world.clear();
          const [app] = apps as [TestApp];
          const input: ProofBinding =
            which === 'same' ? shuffled(given) : { ...given, [which]: other[which] };
          const made = await app.confirmer
            .makeConfirmation({ ...given, isConfirmed: true })
            .catch(unlessMalformed);
          fc.pre(made !== null);
          const used = await app.confirmer.use(made, input).catch(unlessMalformed);
          fc.pre(used !== null);

          expect(used).toBe(isSameBinding(given, input));
          if (!used) expect(await app.confirmer.use(made, given)).toBe(true);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});

/** The same binding, the members of its details in another order. */
function shuffled({ details, ...rest }: ProofBinding): ProofBinding {
  return { ...rest, details: details === undefined ? undefined : reversed(details) };
}

function reversed(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed);
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  );
}

function isSameBinding(one: ProofBinding, other: ProofBinding): boolean {
  const plain = ({ purpose, subject, details }: ProofBinding): unknown => ({
    purpose,
    subject,
    details: details === undefined ? undefined : (JSON.parse(JSON.stringify(details)) as unknown),
  });
  return isDeepStrictEqual(plain(one), plain(other));
}
