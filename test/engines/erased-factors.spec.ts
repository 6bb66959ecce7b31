// Erasing a subject while its first app is being activated: nothing that the activation writes may survive.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { factorsOf, METHODS, TestAuthenticator } from '../support/authenticator.js';
import { servers } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** Both of these engines have one connection for each transaction, so that a second one waits for the row of the subject. */
describe.each(servers)('An erased subject on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine, options: { methods: METHODS, databaseTimeoutMs: 60_000 } });
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

  // InnoDB locks the gaps of the index, so that one DELETE waits for what is inserted beside it.
  it('leaves the recovery codes on PostgreSQL in the naive twin', async () => {
    const subject = 'erased-by-naive-twin';
    const erase = (): Promise<unknown> =>
      test.dataSource.getRepository(FactorRecord).delete({ subject });
    const left = await eraseBesideActivation(subject, erase);
    expect(left).toHaveLength(engine === 'postgres' ? 10 : 0);
  });
});

/** Waits until another session waits for a lock of the open transaction. */
async function waitForLock({ dataSource, database }: TestApp): Promise<void> {
  const count =
    database.engine === 'postgres'
      ? "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
      : "SELECT count(*) AS count FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
  const waiting = async (): Promise<number> => {
    const [row]: { count: string }[] = await dataSource.query(count);
    return Number(row?.count);
  };
  // MySQL answers from a copy that it renews only when no session has read it for a tenth of a second.
  await expect.poll(waiting, { timeout: 30_000, interval: 250 }).toBeGreaterThan(0);
}
