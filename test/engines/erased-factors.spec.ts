// Erasing a subject while its first app is being activated, or a device is remembered: nothing that these calls write may survive.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { factorsOf, TestAuthenticator } from '../support/authenticator.js';
import { usedConfirmation } from '../support/devices.js';
import { servers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { waitForLock } from '../support/wait-for-lock.js';

/** The statement by which a call that remembers a device keeps its confirmation. */
const KEEPING = /^SELECT .?id.? FROM .two_factor_confirmation.*FOR (UPDATE|KEY SHARE)$/s;

/** Both of these engines have one connection for each transaction, so that a second one waits for the row of the subject. */
describe.each(servers)('An erased subject on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({
      engine,
      options: { methods: PASSKEY_METHODS, databaseTimeoutMs: 60_000 },
    });
  });
  afterAll(() => test.close());

  const rowsOf = async (subject: string): Promise<string[]> =>
    (await test.dataSource.getRepository(FactorRecord).findBy({ subject })).map(
      ({ method }) => method,
    );

  /** Erases while a transaction that activates a first app is open, and commits that transaction afterwards. */
  async function eraseBesideActivation(
    subject: string,
    erase: () => Promise<unknown>,
  ): Promise<string[]> {
    const factors = factorsOf(test);
    const { factor, secret } = await factors.enrol({ subject, method: 'totp' });
    const app = new TestAuthenticator(secret, test.clock);
    let erasing: Promise<unknown> | undefined;
    await test.dataSource.transaction(async (manager) => {
      await factors.activate({ subject, factor: factor.id, response: app.code(), manager });
      erasing = erase();
      await waitForLock(test);
    });
    await erasing;
    return rowsOf(subject);
  }

  it('leaves no factor when an activation commits during ConfirmerService.erase', async () => {
    const subject = 'erased-by-confirmer';
    const erase = (): Promise<unknown> => test.confirmer.erase({ subject });
    expect(await eraseBesideActivation(subject, erase)).toEqual([]);
  });

  it('leaves the row of the subject alone when an activation commits during FactorService.erase', async () => {
    const subject = 'erased-by-factors';
    const erase = (): Promise<unknown> => factorsOf(test).erase({ subject });
    expect(await eraseBesideActivation(subject, erase)).toEqual(['subject']);
  });

  /** Runs work of another call just before the first statement of that kind. */
  function before(statement: RegExp, work: () => Promise<unknown>): void {
    let isDone = false;
    interceptStatements(test.dataSource, async (sql, run) => {
      if (!isDone && statement.test(sql)) {
        isDone = true;
        await work();
      }
      return run();
    });
  }

  it('has no device of a call that had found its confirmation before ConfirmerService.erase', async () => {
    const subject = 'erased-before-a-device';
    const confirmation = await usedConfirmation(test, subject);
    before(KEEPING, () => test.confirmer.erase({ subject }));

    expect(await factorsOf(test).remember({ confirmation })).toBeNull();
    expect(await rowsOf(subject)).toEqual([]);
  });

  it.each(['READ COMMITTED', 'REPEATABLE READ'] as const)(
    'has no row of a call that remembers a device in a transaction of the application with %s',
    async (isolation) => {
      const subject = `erased-before-a-device-with-${isolation}`;
      const confirmation = await usedConfirmation(test, subject);
      before(KEEPING, () => test.confirmer.erase({ subject }));

      const remembering = test.dataSource.transaction(isolation, (manager) =>
        factorsOf(test).remember({ confirmation, manager }),
      );
      // Where the server refuses what its snapshot does not have, the transaction has lost a race.
      const device = await remembering.catch(({ code }: { code: string }) => code);
      expect([null, 'conflict']).toContain(device);
      expect(await rowsOf(subject)).toEqual([]);
    },
  );

  it('has no device that was remembered while ConfirmerService.erase ran', async () => {
    const subject = 'erased-beside-a-device';
    const confirmation = await usedConfirmation(test, subject);
    let device: unknown = null;
    before(/^DELETE FROM .two_factor_confirmation/, async () => {
      device = await factorsOf(test).remember({ confirmation });
    });

    expect(await test.confirmer.erase({ subject })).toBe(1);
    expect(device).not.toBeNull();
    expect(await rowsOf(subject)).toEqual([]);
  });

  // InnoDB locks the gaps of the index, so that one DELETE waits for what is inserted beside it.
  it('leaves the recovery codes on PostgreSQL in the naive twin', async () => {
    const subject = 'erased-by-naive-twin';
    const erase = (): Promise<unknown> =>
      test.dataSource.getRepository(FactorRecord).delete({ subject });
    const left = await eraseBesideActivation(subject, erase);
    expect(left).toHaveLength(engine === 'postgres' ? 10 : 0);
  });
});
