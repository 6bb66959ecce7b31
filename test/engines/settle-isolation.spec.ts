// Concurrent responses of the same person, under every isolation level of every engine, at four applications on one database.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, type MethodResponse } from '../../lib/index.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { Instances, winners } from '../support/instances.js';
import { isolationCells } from '../support/isolation.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';

const ROUNDS = 2;
const COPIES = 40;
describe.each(isolationCells)(
  'Concurrent responses on $engine under $level',
  ({ engine, level }) => {
    let instances: Instances;

    beforeAll(async () => {
      // One code is tried on 40 confirmations, which the failures of one subject would refuse before any race.
      const failures = { lockAfter: 50, permanentLockAfter: 100 };
      const limits = { failures, pending: false, requestsPerRequester: false } as const;
      instances = await Instances.start(
        engine,
        { limits, methods: PASSKEY_METHODS, maxAttempts: 10 },
        level,
      );
    });
    afterAll(() => instances?.close());

    type Method = 'code' | 'passkey' | 'recovery' | 'totp';
    const make = (subject: string, ...methods: Method[]) =>
      instances.first.confirmer.makeConfirmation({ subject, methods });
    const confirm =
      (index: number, id: string, response: MethodResponse) => async (): Promise<boolean> =>
        (await instances.at(index).confirmer.confirm(id, response))[1];
    const copiesOf = (id: string, response: MethodResponse): Promise<number> =>
      winners(Array.from({ length: COPIES }, (_, index) => confirm(index, id, response)));
    const stepNow = (): number => Math.floor(instances.first.clock.now() / 30_000);
    const counterOf = async (id: string): Promise<number> => {
      const factors = instances.first.dataSource.getRepository(FactorRecord);
      return (await factors.findOneByOrFail({ id })).counter;
    };

    it('confirm once by 40 copies of one code of an app, of one recovery code, and of one assertion', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const subject = instances.nextSubject();
        const { app, recoveryCodes: codes } = await enrolApp(instances.first, subject);
        const { authenticator } = await enrolPasskey(instances.first, subject);
        const byApp = await make(subject, 'totp');
        const byRecovery = await make(subject, 'recovery');
        const byPasskey = await make(subject, 'passkey');
        const { confirmer } = instances.first;
        const response = authenticator.get(
          await confirmer.challenge(byPasskey.id, { method: 'passkey' }),
        );

        expect(await copiesOf(byApp.id, { method: 'totp', code: app.code() })).toBe(1);
        expect(await copiesOf(byRecovery.id, { method: 'recovery', code: codes[0]! })).toBe(1);
        expect(await copiesOf(byPasskey.id, { method: 'passkey', response })).toBe(1);
        const listed = await factorsOf(instances.first).list({ subject });
        expect(listed.find(({ method }) => method === 'recovery')).toMatchObject({ left: 9 });
      }
    });

    it('confirm one of 40 confirmations by one code of an app, and by one recovery code', async () => {
      const subject = instances.nextSubject();
      const { app, factorId, recoveryCodes: codes } = await enrolApp(instances.first, subject);
      for (const [method, code] of [
        ['totp', app.code()],
        ['recovery', codes[0]!],
      ] as const) {
        const states = await Promise.all(
          Array.from({ length: COPIES }, () => make(subject, method)),
        );
        const calls = states.map(({ id }, index) => confirm(index, id, { method, code }));

        expect(await winners(calls)).toBe(1);
      }
      expect(await counterOf(factorId)).toBe(stepNow());
    });

    it('consume one of ten recovery codes that are tried on one confirmation', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const subject = instances.nextSubject();
        const { recoveryCodes: codes } = await enrolApp(instances.first, subject);
        const { id } = await make(subject, 'recovery');
        const calls = codes.map((code, index) => confirm(index, id, { method: 'recovery', code }));

        expect(await winners(calls)).toBe(1);
        const [, left] = await factorsOf(instances.first).list({ subject });
        expect(left).toMatchObject({ left: 9 });
      }
    });

    it('make one transition, and name the winner, when a code and an app confirm at once', async () => {
      for (let round = 0; round < ROUNDS * 2; round += 1) {
        const subject = instances.nextSubject();
        const { app, factorId } = await enrolApp(instances.first, subject);
        const state = await make(subject, 'code', 'totp');
        const responses = [
          { method: 'code', code: state.code! },
          { method: 'totp', code: app.code() },
        ] as const;

        const won = await Promise.all(
          Array.from({ length: 8 }, async (_, index) => {
            const response = responses[(index + round) % 2]!;
            return (await confirm(index, state.id, response)()) ? response.method : null;
          }),
        );

        const [winner, ...others] = won.filter((method) => method !== null);
        expect([winner === undefined, others]).toEqual([false, []]);
        const [after] = await instances.first.confirmer.check(state.id);
        expect(after).toMatchObject({ status: 'confirmed', confirmedBy: winner });
        expect((await counterOf(factorId)) === stepNow()).toBe(winner === 'totp');
      }
    });

    // PostgreSQL ends some statements of the twin by an error under the higher levels, which counts as a refusal.
    const naively = (id: string, factor: string, step: number | null) => () =>
      instances.naive.confirm(id, factor, step).catch(() => false);

    it('confirm more than once in the naive twin, by a code of an app and by recovery codes', async () => {
      const subject = instances.nextSubject();
      const { factorId } = await enrolApp(instances.first, subject);
      let confirmed = 0;
      for (let round = 0; round < 10 && confirmed < 2; round += 1) {
        instances.first.clock.advance(30);
        const states = await Promise.all(
          Array.from({ length: COPIES }, () => make(subject, 'totp')),
        );
        confirmed = await winners(states.map(({ id }) => naively(id, factorId, stepNow())));
      }
      expect(confirmed).toBeGreaterThan(1);

      const factors = instances.first.dataSource.getRepository(FactorRecord);
      let consumed = 0;
      for (let round = 0; round < 10 && consumed < 2; round += 1) {
        const other = instances.nextSubject();
        await enrolApp(instances.first, other);
        const { id } = await make(other, 'recovery');
        const codes = await factors.findBy({ subject: other, method: 'recovery' });
        await winners(codes.map((code) => naively(id, code.id, null)));
        consumed = codes.length - (await factors.countBy({ subject: other, method: 'recovery' }));
      }
      expect(consumed).toBeGreaterThan(1);
    });
  },
);
