import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, recoveryCodes, totp, type FactorService } from '../../lib/index.js';
import { enrolApp, factorsOf, TestAuthenticator } from '../support/authenticator.js';
import { Instances, sharedEngines, winners } from '../support/instances.js';
import type { TestApp } from '../support/test-app.js';

/** Two apps of one subject, so that there are two of them to be removed. */
const METHODS = [totp({ issuer: 'ACME', max: 3 }), recoveryCodes({ count: 10 })];
const ROUNDS = 5;
const COPIES = 40;

describe.each(sharedEngines)('Races of factors on %s', (engine) => {
  let instances: Instances;
  let test: TestApp;

  beforeAll(async () => {
    // One code is tried on 40 confirmations, which the failures of one subject would refuse before any race.
    const limits = { failures: { lockAfter: 50, permanentLockAfter: 100 } };
    instances = await Instances.start(engine, { limits, methods: METHODS, maxAttempts: 10 });
    test = instances.first;
  });
  afterAll(() => instances?.close());

  const make = async (subject: string, ...methods: ('code' | 'recovery' | 'totp')[]) =>
    test.confirmer.makeConfirmation({ subject, methods });
  const confirm =
    (index: number, id: string, method: 'code' | 'recovery' | 'totp', code: string) =>
    async (): Promise<boolean> =>
      (await instances.at(index).confirmer.confirm(id, { method, code }))[1];
  const stepNow = (): number => Math.floor(test.clock.now() / 30_000);

  it('confirms one confirmation once by 40 copies of one code of an app', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { subject, app } = await enrolApp(test, instances.nextSubject());
      const { id } = await make(subject, 'totp');
      const code = app.code();

      expect(
        await winners(
          Array.from({ length: COPIES }, (_, index) => confirm(index, id, 'totp', code)),
        ),
      ).toBe(1);
    }
  });

  it('confirms one of 40 confirmations by one code of an app', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { subject, app, factorId } = await enrolApp(test, instances.nextSubject());
      const states = await Promise.all(Array.from({ length: COPIES }, () => make(subject, 'totp')));
      const code = app.code();

      const confirmed = await winners(
        states.map(({ id }, index) => confirm(index, id, 'totp', code)),
      );

      expect(confirmed).toBe(1);
      const { counter } = await test.dataSource
        .getRepository(FactorRecord)
        .findOneByOrFail({ id: factorId });
      expect(counter).toBe(stepNow());
    }
  });

  it('confirms several confirmations by one code in the naive twin', async () => {
    const { subject, factorId } = await enrolApp(test, instances.nextSubject());
    const states = await Promise.all(Array.from({ length: COPIES }, () => make(subject, 'totp')));

    expect(
      await winners(
        states.map(
          ({ id }) =>
            () =>
              instances.naive.confirm(id, factorId, stepNow()),
        ),
      ),
    ).toBeGreaterThan(1);
  });

  it('consumes one of ten recovery codes that are tried on one confirmation', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { subject, recoveryCodes: codes } = await enrolApp(test, instances.nextSubject());
      const { id } = await make(subject, 'recovery');

      expect(await winners(codes.map((code, index) => confirm(index, id, 'recovery', code)))).toBe(
        1,
      );
      expect(await factorsOf(test).list({ subject })).toMatchObject([{}, { left: 9 }]);
    }
  });

  it('consumes several of ten recovery codes in the naive twin', async () => {
    const { subject } = await enrolApp(test, instances.nextSubject());
    const { id } = await make(subject, 'recovery');
    const codes = await test.dataSource
      .getRepository(FactorRecord)
      .findBy({ subject, method: 'recovery' });

    await winners(codes.map((code) => () => instances.naive.confirm(id, code.id, null)));

    const [, left] = await factorsOf(test).list({ subject });
    expect(left?.left ?? 0).toBeLessThan(9);
  });

  it('confirms one of ten confirmations by one recovery code', async () => {
    const { subject, recoveryCodes: codes } = await enrolApp(test, instances.nextSubject());
    const states = await Promise.all(Array.from({ length: 10 }, () => make(subject, 'recovery')));

    expect(
      await winners(states.map(({ id }, index) => confirm(index, id, 'recovery', codes[0]!))),
    ).toBe(1);
  });

  it('makes one transition, and names the winner, when a code and an app confirm at once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { subject, app, factorId } = await enrolApp(test, instances.nextSubject());
      const state = await make(subject, 'code', 'totp');
      const [sent, shown] = [state.code!, app.code()];

      const byMethod = await Promise.all(
        [0, 1, 2, 3].map(async (index) => {
          const method = index % 2 === 0 ? 'code' : 'totp';
          const code = method === 'code' ? sent : shown;
          return (await confirm(index, state.id, method, code)()) ? method : null;
        }),
      );

      const won = byMethod.filter((method) => method !== null);
      expect(won).toHaveLength(1);
      const [after] = await test.confirmer.check(state.id);
      expect(after).toMatchObject({ status: 'confirmed', confirmedBy: won[0] });
      const { counter } = await test.dataSource
        .getRepository(FactorRecord)
        .findOneByOrFail({ id: factorId });
      // The step is spent exactly if the app has confirmed.
      expect(counter === stepNow()).toBe(won[0] === 'totp');
    }
  });

  it('leaves one app when the last two are removed at once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const ids = [await enrolApp(test, subject), await enrolApp(test, subject)].map(
        ({ factorId }) => factorId,
      );
      const remove = (id: string, index: number) => (): Promise<boolean> =>
        factorsOf(instances.at(index))
          .remove({ subject, factor: id })
          .catch((error: { code?: string }) => {
            if (error.code === 'last-factor') return false;
            throw error;
          });

      expect(await winners(ids.map(remove))).toBe(1);
      const left = await factorsOf(test).list({ subject });
      expect(left.filter(({ method }) => method === 'totp')).toHaveLength(1);
    }
  });

  it('removes both apps in the naive twin', async () => {
    let removed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const ids = [await enrolApp(test, subject), await enrolApp(test, subject)];
      removed = Math.max(
        removed,
        await winners(
          ids.map(
            ({ factorId }) =>
              () =>
                instances.naive.remove(subject, factorId),
          ),
        ),
      );
    }
    expect(removed).toBe(2);
  });

  /** Two enrolments of a subject without an app: of one method there would be one, so the second one is made by hand. */
  async function twoPending(subject: string): Promise<[string, string][]> {
    const factors: FactorService = factorsOf(test);
    const first = await factors.enrol({ subject, method: 'totp' });
    const repository = test.dataSource.getRepository(FactorRecord);
    const hidden = await repository.findOneByOrFail({ id: first.factor.id });
    await repository.update({ id: hidden.id }, { method: 'hidden' });
    const second = await factors.enrol({ subject, method: 'totp' });
    await repository.update({ id: hidden.id }, { method: 'totp' });
    return [first, second].map(({ factor, secret }) => [factor.id, secret]);
  }

  it('activates only one of two apps of a subject without a factor, and ends the other enrolment', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const pending = await twoPending(subject);
      const activate =
        ([factor, secret]: [string, string], index: number) =>
        async (): Promise<boolean> => {
          const { clock } = test;
          const response = new TestAuthenticator(secret, clock).code();
          return factorsOf(instances.at(index))
            .activate({ subject, factor, response })
            .then(
              (activated) => activated?.recoveryCodes?.length === 10,
              (error: { code?: string }) => {
                if (error.code === 'not-found') return false;
                throw error;
              },
            );
        };

      expect(await winners(pending.map(activate))).toBe(1);
      expect(await factorsOf(test).list({ subject })).toMatchObject([{}, { left: 10 }]);
    }
  });

  it('activates both apps of a subject without a factor in the naive twin', async () => {
    let activated = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const pending = await twoPending(subject);
      activated = Math.max(
        activated,
        await winners(
          pending.map(
            ([id]) =>
              () =>
                instances.naive.activateFirst(subject, id),
          ),
        ),
      );
    }
    expect(activated).toBe(2);
  });
});
