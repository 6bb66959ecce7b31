// An application removes a factor in a transaction that takes its time: that keeps no call waiting but those about this factor.
import { describe, expect, it } from 'vitest';

import { factorsOf } from '../support/authenticator.js';
import { rememberDevice } from '../support/devices.js';
import { mysqlServers } from '../support/engines.js';
import { openApplications, startBatching, USES } from '../support/listed-statements.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import type { TestApp } from '../support/test-app.js';

const OTHERS = 9;
const TIMEOUT_MS = 3_000;

const open = openApplications();

describe.each(mysqlServers)('Uses beside an open removal on %s', (engine) => {
  const start = async (): Promise<TestApp> => {
    const test = await startBatching(engine, {
      options: { methods: PASSKEY_METHODS, databaseTimeoutMs: TIMEOUT_MS },
    });
    open.push(test);
    return test;
  };

  async function proofByCode({ confirmer }: TestApp, subject: string): Promise<string> {
    const { id, code } = await confirmer.makeConfirmation({ subject });
    await confirmer.confirm(id, code!);
    return id;
  }

  async function proofByDevice(test: TestApp, subject: string): Promise<string> {
    const { token } = await rememberDevice(test, subject);
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['device'] });
    await test.confirmer.confirm(id, { method: 'device', token });
    return id;
  }

  /** Forgets the devices of a person in a transaction that stays open until the given work is done. */
  async function whileForgetting<T>(
    test: TestApp,
    subject: string,
    work: () => Promise<T>,
  ): Promise<T> {
    let answer: T;
    await test.dataSource.transaction(async (manager) => {
      await factorsOf(test).forgetDevices({ subject, manager });
      answer = await work();
    });
    return answer!;
  }

  /** A person whose device confirmed a proof, and others whose proofs were confirmed by codes. */
  async function people(test: TestApp): Promise<{ stolen: string; proofs: Map<string, string> }> {
    const others = Array.from({ length: OTHERS }, (_, index) => `other-${index}`);
    const stolen = await proofByDevice(test, 'owner');
    const ids = await Promise.all(others.map((subject) => proofByCode(test, subject)));
    return { stolen, proofs: new Map(ids.map((id, index) => [id, others[index]!])) };
  }

  it('are answered while the use by that factor waits, which is refused afterwards', async () => {
    const test = await start();
    const { confirmer } = test;
    const { stolen, proofs } = await people(test);
    let isLateAnswered = false;
    let late: Promise<boolean> | undefined;

    const logged = await test.log.during(() =>
      whileForgetting(test, 'owner', async () => {
        const use = ([id, subject]: readonly [string, string]): Promise<boolean> =>
          confirmer.use(id, { subject });
        // The first ones run alone, and the last one together with those before it.
        const begun = [...proofs].map(use);
        late = use([stolen, 'owner']).finally(() => (isLateAnswered = true));
        late.catch(() => undefined);
        expect(await Promise.all(begun)).toEqual(begun.map(() => true));
        const ids = [stolen, ...proofs.keys()];
        const checks = await Promise.all(ids.map((id) => confirmer.check(id)));
        expect(checks.map(([, isProof]) => isProof)).toEqual(ids.map((id) => id === stolen));
        expect(isLateAnswered).toBe(false);
      }),
    );

    expect(logged.some(({ sql }) => USES.test(sql))).toBe(true);
    expect(await late).toBe(false);
  });

  it('wait in the naive twin, one statement that asks for the factor of each', async () => {
    const test = await start();
    const { dataSource } = test;
    const { stolen, proofs } = await people(test);
    const ids = [...proofs.keys(), stolen];

    const uses = whileForgetting(test, 'owner', async () =>
      dataSource.transaction(async (manager) => {
        await manager.query('SET SESSION innodb_lock_wait_timeout = 1');
        await manager.query(
          `UPDATE two_factor_confirmation SET used_at = 1
          WHERE id IN (?) AND used_at IS NULL AND (factor_id IS NULL
            OR (SELECT confirming.id FROM two_factor_factor confirming WHERE confirming.id = factor_id) IS NOT NULL)`,
          [ids],
        );
      }),
    );

    await expect(uses).rejects.toMatchObject({ errno: 1205 });
  });
});
