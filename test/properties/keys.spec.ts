// I15: what the ring of secrets holds can be verified, what it does not hold cannot, and a row that was rewritten by
// SQL is worth nothing.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newId } from '../../lib/crypto/index.js';
import { TwoFactorUnknownSecretError } from '../../lib/index.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { answerOf } from './session.js';
import { World, type Ring } from './world.js';

const TOKEN = 'ann@example.com';
const RINGS: readonly Ring[] = [['old'], ['new'], ['old', 'new'], ['new', 'old']];

describe.each(propertyEngines)('On %s', (engine) => {
  let world: World;

  beforeAll(async () => {
    world = await World.open({ engine });
  });
  afterAll(() => world.close());

  const rewrite = async (id: string, column: string, value: string): Promise<void> => {
    const { dataSource } = await world.app(['old']);
    const quoted = value.replaceAll("'", "''");
    await dataSource.query(
      `UPDATE two_factor_confirmation SET ${column} = '${quoted}' WHERE id = '${id}'`,
    );
  };

  it(
    'accepts a code, a message and a proof exactly when their secret is in the ring (I15)',
    async () => {
      const ring = fc.constantFrom(...RINGS);
      await fc.assert(
        fc.asyncProperty(ring, ring, ring, async (makes, confirms, uses) => {
          await world.clear();
          const maker = await world.app(makes);
          const confirmer = await world.app(confirms);
          const user = await world.app(uses);
          const [secret] = makes;
          const { id } = await maker.twoFactor.request({ token: TOKEN });
          const { code } = world.deliveries.at(-1)!;
          const answer = await confirmer.confirmer
            .confirm(id, code)
            .then(([, done]) => ({ done }), answerOf);

          const isKnown = confirms.includes(secret!);
          expect(answer).toEqual(isKnown ? { done: true } : { error: 'unknown-secret' });
          if (!isKnown) return;
          const state = (await user.confirmer.check(id))[0]!;
          if (uses.includes(secret!)) expect(state.token).toBe(TOKEN);
          else expect(() => state.token).toThrow(TwoFactorUnknownSecretError);
          expect(await user.confirmer.use(id)).toBe(uses.includes(secret!));
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'lets a proof be used when check calls it usable, whichever secrets came and went in between (I15)',
    async () => {
      const ring = fc.constantFrom(...RINGS);
      await fc.assert(
        fc.asyncProperty(ring, ring, ring, async (makes, sends, uses) => {
          await world.clear();
          const { id } = await (await world.app(makes)).confirmer.makeConfirmation();
          await (await world.app(sends)).sender.send(null, TOKEN, id).catch(answerOf);
          const { confirmer } = await world.app(uses);
          await confirmer.confirm(id, world.drawn.at(-1)!).catch(answerOf);

          const [, isUsable] = await confirmer.check(id);
          expect(await confirmer.use(id)).toBe(isUsable);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'confirms no row when its id or MAC was changed (I15)',
    async () => {
      const change = fc.record({
        column: fc.constantFrom('id', 'code_mac'),
        at: fc.nat({ max: 61 }),
        by: fc.constantFrom('A', 'z', '0', '-', '_', '.', ' '),
        other: fc.constantFrom('nothing', 'character', 'cut', 'longer', 'of another row'),
      });
      await fc.assert(
        fc.asyncProperty(change, async ({ column, at, by, other }) => {
          await world.clear();
          const { confirmer, dataSource } = await world.app(['old']);
          const state = await confirmer.makeConfirmation();
          const code = state.code!;
          const another = await confirmer.makeConfirmation();
          let { id } = state;
          if (column === 'id') {
            id = newId(world.clock.now());
            await rewrite(state.id, 'id', id);
          } else {
            const before = String((await world.rows()).get(id)!['code_mac']);
            const changed = {
              nothing: 'v1..',
              character: `${before.slice(0, at)}${by}${before.slice(at + 1)}`.slice(0, 64),
              cut: before.slice(0, at),
              longer: `${before}${by}`,
              'of another row': String((await world.rows()).get(another.id)!['code_mac']),
            }[other];
            fc.pre(changed !== before);
            await rewrite(id, 'code_mac', changed);
          }
          const confirmed = await confirmer.confirm(id, code).then(
            ([, done]) => done,
            (error: unknown) => answerOf(error)['error'],
          );

          expect([false, 'unknown-secret']).toContain(confirmed);
          const rows: unknown[] = await dataSource.query(
            'SELECT * FROM two_factor_confirmation WHERE confirmed_at IS NOT NULL',
          );
          expect(rows).toHaveLength(0);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it(
    'opens an envelope only when its id, purpose and subject are unchanged, and sends nothing otherwise (I15)',
    async () => {
      const change = fc.oneof(
        fc.record({ column: fc.constant('id' as const), value: fc.constant('') }),
        fc.record({
          column: fc.constantFrom('purpose' as const, 'subject' as const),
          value: fc.constantFrom('', 'login', 'pay', 'pa', 'ann', 'Ann', 'ann ', 'bob', 'y'),
        }),
        fc.record({
          column: fc.constant('envelope' as const),
          value: fc.constantFrom('swapped', 'cut', 'flipped', 'empty', 'padded'),
        }),
      );
      await fc.assert(
        fc.asyncProperty(change, fc.nat({ max: 200 }), async ({ column, value }, at) => {
          await world.clear();
          const { confirmer, twoFactor } = await world.app(['old']);
          const binding = { purpose: 'pay', subject: 'ann', token: TOKEN };
          const request = await twoFactor.request(binding);
          const another = await twoFactor.request({ ...binding, token: 'eve@example.net' });
          world.clock.advanceTo(world.clock.now() + 30_000);
          const rows = await world.rows();
          const before = String(rows.get(request.id)![column]);
          const flipped = before.charAt(at % before.length) === 'A' ? 'B' : 'A';
          const envelopes: Readonly<Record<string, string>> = {
            swapped: String(rows.get(another.id)!['envelope']),
            cut: before.slice(0, at % before.length),
            flipped: `${before.slice(0, at % before.length)}${flipped}${before.slice((at % before.length) + 1)}`,
            empty: '',
            padded: `${before}=`,
          };
          const id = column === 'id' ? newId(world.clock.now()) : request.id;
          const changed = column === 'id' ? id : column === 'envelope' ? envelopes[value]! : value;
          fc.pre(changed !== before);
          await rewrite(request.id, column, changed);

          const [state] = await confirmer.check(id);
          expect(() => state!.token).toThrow(TwoFactorUnknownSecretError);
          expect(() => state!.code).toThrow(TwoFactorUnknownSecretError);
          const sent = world.deliveries.length;
          await expect(twoFactor.resend(id)).rejects.toBeInstanceOf(TwoFactorUnknownSecretError);
          expect(world.deliveries).toHaveLength(sent);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});
