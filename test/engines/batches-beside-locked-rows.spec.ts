// Calls that share a transaction must not wait for, or deadlock over, a row that another transaction has locked: they skip it.
import { describe, expect, it, vi } from 'vitest';

import { PgPreparedBatch } from '../../lib/database/drivers/pg-prepared-batch.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { rewrite, sharedTransactions, startSharing } from '../support/shared-transactions.js';

const { start, make, confirmed, mixed } = sharedTransactions();

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', () => {
  /**
   * @param waitMs how long to wait until all of the other calls are answered.
   * @returns how many of the other calls were answered while another client locked the row of one call.
   */
  async function answeredBesideLocked(count: number, waitMs: number): Promise<number> {
    const { dataSource } = await start({ databaseTimeoutMs: 60_000 });
    const [used, tried] = [await confirmed(count), await make(count)];
    const [, locked] = used;
    return dataSource.transaction(async (manager) => {
      await manager.query(
        `SELECT 1 FROM two_factor_confirmation WHERE id = '${locked!.id}' FOR UPDATE`,
      );
      let answered = 0;
      const count = (): void => {
        answered += 1;
      };
      const calls = mixed(used, tried);
      for (const call of calls) call.then(count, () => undefined);
      await vi
        .waitFor(() => expect(answered).toBe(calls.length - 1), { timeout: waitMs })
        .catch(() => undefined);
      return answered;
    });
  }

  it.each([3, 12])(
    'delays only the call of a locked row among %i calls of a kind',
    async (count) => {
      expect(await answeredBesideLocked(count, 30_000)).toBe(3 * count - 1);
    },
  );

  it.each([3, 12])(
    'delays all of %i calls of a kind in the naive twin, which has no SKIP LOCKED',
    async (count) => {
      rewrite((text) => text.replace('SKIP LOCKED', ''));

      expect(await answeredBesideLocked(count, 1_000)).toBeLessThan(count);
    },
  );

  /** Two processes want the same rows in other orders, at once. @returns what the server refused. */
  async function refusedToTwo(): Promise<unknown[]> {
    const options = { databaseTimeoutMs: 60_000 };
    const { confirmer, database, dataSource } = await start(options);
    // So that they meet on a busy machine too: the transaction of each process lasts long enough for the other one to begin.
    await dataSource.query(
      'CREATE FUNCTION slowly() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$ LANGUAGE plpgsql',
    );
    await dataSource.query(
      'CREATE TRIGGER slowly BEFORE UPDATE ON two_factor_confirmation FOR EACH ROW EXECUTE FUNCTION slowly()',
    );
    const other = await startSharing(options, {}, database);
    const refusing = vi.spyOn(PgPreparedBatch.prototype, 'handleError');
    try {
      for (let round = 0; round < 4; round += 1) {
        const used = await confirmed(6);
        const tried = await make(6);
        const work = (by: typeof confirmer): (() => Promise<unknown>)[] => [
          ...used.map((state) => () => by.use(state)),
          ...tried.map((state) => () => by.confirm(state.id, WRONG_CODE)),
        ];
        const calls = [...work(confirmer), ...work(other.confirmer).toReversed()];
        const answers = await Promise.all(calls.map((call) => call()));

        expect(answers.filter((answer) => answer === true)).toHaveLength(6);
        for (const { id } of tried) {
          expect((await confirmer.check(id))[0]).toMatchObject({ attemptsLeft: 3 });
        }
      }
    } finally {
      await other.close();
    }
    return refusing.mock.calls.map(([error]) => (error as { code?: unknown }).code);
  }

  it('never deadlocks when two processes want the same rows in different orders', async () => {
    expect(await refusedToTwo()).toEqual([]);
  });

  it('deadlocks in the naive twin, which has no SKIP LOCKED', async () => {
    rewrite((text) => text.replace('SKIP LOCKED', ''));

    expect(await refusedToTwo()).toContain('40P01');
  });

  it('tries SKIP LOCKED once when the server does not support it', async () => {
    const { confirmer } = await start();
    const [used, tried] = [await confirmed(6), await make(6)];
    let asked = 0;
    rewrite((text) => {
      if (!text.includes('SKIP LOCKED')) return text;
      asked += 1;
      return text.replace('SKIP LOCKED', 'SKIP LOCKS');
    });

    const answers = await Promise.all(mixed(used, tried));
    const first = asked;
    const more = await Promise.all(mixed(await confirmed(4), await make(4)));

    expect(answers.slice(0, 6)).toEqual(used.map(() => true));
    expect(more.slice(0, 4)).toEqual([true, true, true, true]);
    expect(first).toBeGreaterThan(0);
    expect(asked).toBe(first);
    expect((await confirmer.confirm(tried[0]!.id, WRONG_CODE))[0]).toMatchObject({
      status: 'confirmed',
    });
  });
});
