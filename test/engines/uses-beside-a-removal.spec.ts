// An application removes a factor in a transaction that takes its time: that keeps no call waiting but those about this factor.
import { setTimeout as delay } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { TwoFactorConflictError } from '../../lib/index.js';
import { factorsOf } from '../support/authenticator.js';
import { Barrier } from '../support/barrier.js';
import { rememberDevice } from '../support/devices.js';
import { mysqlServers, POOL_SIZE } from '../support/engines.js';
import { LEVELS, setLevel } from '../support/isolation.js';
import { openApplications, startBatching, USES } from '../support/listed-statements.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import type { TestApp } from '../support/test-app.js';

const OTHERS = 9;
// Long enough for a busy machine: only what must wait takes that long.
const TIMEOUT_MS = 10_000;

const open = openApplications();

const cells = mysqlServers.flatMap((engine) => LEVELS.map((level) => ({ engine, level })));

describe.each(cells)(
  'Uses beside an uncommitted removal on $engine under $level',
  ({ engine, level }) => {
    // Otherwise the subquery of an UPDATE reads what is committed, and locks nothing.
    const locks = level !== 'READ COMMITTED';

    const start = async (): Promise<TestApp> => {
      const test = await startBatching(engine, {
        options: { methods: PASSKEY_METHODS, databaseTimeoutMs: TIMEOUT_MS },
      });
      open.push(test);
      await setLevel(test.dataSource, level, POOL_SIZE);
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

    it(`are answered while the use by that factor ${locks ? 'waits, which is refused afterwards' : 'pays'}`, async () => {
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
          if (!locks) await late;
          const ids = [stolen, ...proofs.keys()];
          const checks = await Promise.all(ids.map((id) => confirmer.check(id)));
          expect(checks.map(([, isProof]) => isProof)).toEqual(
            ids.map((id) => locks && id === stolen),
          );
          expect(isLateAnswered).toBe(!locks);
        }),
      );

      expect(logged.some(({ sql }) => USES.test(sql))).toBe(true);
      // A use that does not wait is one before the removal.
      expect(await late).toBe(!locks);
    });

    /** Under READ COMMITTED no use locks the factor that it asks for, so that two of the waits do not exist. */
    const lockingLevels = locks ? [level] : [];

    it.each(lockingLevels)(
      'wait in the naive twin, one statement that asks for the factor of each',
      async () => {
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
      },
    );

    it(`keep the removal of their factor waiting until their transaction ends: ${locks}`, async () => {
      const test = await start();
      const { confirmer, dataSource } = test;
      const { stolen } = await people(test);
      let isForgotten = false;
      let forgotten: Promise<unknown> | undefined;

      await dataSource.transaction(async (manager) => {
        expect(await confirmer.use(stolen, { subject: 'owner', manager })).toBe(true);
        forgotten = factorsOf(test)
          .forgetDevices({ subject: 'owner' })
          .then((removed) => (isForgotten = removed === 1));
        if (locks) await delay(200);
        else await forgotten;
        expect(isForgotten).toBe(!locks);
      });

      await forgotten;
      expect(isForgotten).toBe(true);
    });

    it.each(lockingLevels)(
      'succeed in one of two transactions that also remove their factor, and the other is a conflict',
      async () => {
        const test = await start();
        const { confirmer, dataSource } = test;
        const { token } = await rememberDevice(test, 'owner');
        const proofs: string[] = [];
        for (let proof = 0; proof < 2; proof += 1) {
          const { id } = await confirmer.makeConfirmation({
            subject: 'owner',
            methods: ['device'],
          });
          await confirmer.confirm(id, { method: 'device', token });
          proofs.push(id);
        }
        const both = new Barrier(2);

        const answers = await Promise.allSettled(
          proofs.map((id) =>
            dataSource.transaction(async (manager) => {
              const isUsed = await confirmer.use(id, { subject: 'owner', manager });
              await both.enter();
              const removed = await factorsOf(test).forgetDevices({ subject: 'owner', manager });
              return [isUsed, removed];
            }),
          ),
        );

        const values = answers.map((each) =>
          each.status === 'fulfilled' ? each.value : each.reason,
        );
        expect(values).toContainEqual([true, 1]);
        expect(values.filter((each) => each instanceof TwoFactorConflictError)).toHaveLength(1);
      },
    );

    it('that wait for a transaction which is rolled back are refused after a removal meanwhile', async () => {
      const test = await start();
      const { confirmer, dataSource } = test;
      const { stolen } = await people(test);
      let waiting: Promise<boolean> | undefined;

      const held = dataSource.transaction(async (manager) => {
        await manager.query('UPDATE two_factor_confirmation SET used_at = 1 WHERE id = ?', [
          stolen,
        ]);
        waiting = confirmer.use(stolen, { subject: 'owner' });
        await delay(200);
        expect(await factorsOf(test).forgetDevices({ subject: 'owner' })).toBe(1);
        throw new Error('rolled back');
      });

      await expect(held).rejects.toThrow('rolled back');
      expect(await waiting).toBe(false);
    });
  },
);

// MariaDB 11.6.2 and later begin with this setting: https://mariadb.com/docs/server/server-usage/storage-engines/innodb/innodb-system-variables
describe.each(mysqlServers.filter((engine) => engine === 'mariadb'))(
  'A use in a transaction on %s with innodb_snapshot_isolation',
  (engine) => {
    it('is a conflict when its factor has confirmed since the transaction has read, and pays when it is repeated', async () => {
      const options = { methods: PASSKEY_METHODS, databaseTimeoutMs: TIMEOUT_MS };
      const test = await startBatching(engine, { options });
      open.push(test);
      const { confirmer, dataSource } = test;
      const known = await dataSource.query("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'");
      const { token } = await rememberDevice(test, 'owner');
      const confirmed = async (): Promise<string> => {
        const { id } = await confirmer.makeConfirmation({ subject: 'owner', methods: ['device'] });
        await confirmer.confirm(id, { method: 'device', token });
        return id;
      };
      const proof = await confirmed();
      const runner = dataSource.createQueryRunner();
      // A server without the setting behaves as one that has switched it off: the use pays at once.
      const isKnown = known.length > 0;
      if (isKnown) await runner.query('SET SESSION innodb_snapshot_isolation = ON');
      const { manager } = runner;
      const use = (): Promise<boolean> => confirmer.use(proof, { subject: 'owner', manager });

      await runner.startTransaction('REPEATABLE READ');
      await manager.query('SELECT COUNT(*) FROM two_factor_limit');
      await confirmed();
      const first = await use().catch((error: unknown) => error);
      if (isKnown) expect(first).toBeInstanceOf(TwoFactorConflictError);
      else expect(first).toBe(true);
      await runner.rollbackTransaction();
      await runner.startTransaction('REPEATABLE READ');
      expect(await use()).toBe(true);
      await runner.commitTransaction();

      if (isKnown) await runner.query('SET SESSION innodb_snapshot_isolation = DEFAULT');
      await runner.release();
    });
  },
);
