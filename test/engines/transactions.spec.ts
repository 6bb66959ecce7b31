import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  TwoFactorConflictError,
  TwoFactorCallError,
  TwoFactorUnavailableError,
} from '../../lib/index.js';
import { engines, servers } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

class RolledBack extends Error {}

const isServer = (engine: string): boolean => servers.some((server) => server === engine);

describe.each(engines)('Transactions on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine });
    await test.dataSource.query('CREATE TABLE effect (confirmation varchar(36) NOT NULL UNIQUE)');
  });
  afterAll(() => test.close());

  async function effects(id: string): Promise<number> {
    const rows: unknown[] = await test.dataSource.query(
      `SELECT confirmation FROM effect WHERE confirmation = '${id}'`,
    );
    return rows.length;
  }

  it('spends the proof together with its effect', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    const used = await test.dataSource.transaction(async (manager) => {
      const spent = await test.confirmer.use(state, { manager });
      await manager.query(`INSERT INTO effect VALUES ('${state.id}')`);
      return spent;
    });

    expect(used).toBe(true);
    expect(await effects(state.id)).toBe(1);
    expect(await test.confirmer.use(state)).toBe(false);
  });

  it('leaves the proof usable when the transaction rolls back', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    const transaction = test.dataSource.transaction(async (manager) => {
      expect(await test.confirmer.use(state, { manager })).toBe(true);
      await manager.query(`INSERT INTO effect VALUES ('${state.id}')`);
      throw new RolledBack();
    });

    await expect(transaction).rejects.toBeInstanceOf(RolledBack);
    expect(await effects(state.id)).toBe(0);
    expect(await test.confirmer.check(state.id)).toMatchObject([{ status: 'confirmed' }, true]);
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it(
    isServer(engine)
      ? 'charges an attempt that was made inside a transaction which rolls back'
      : 'refuses an attempt inside a transaction and charges nothing',
    async () => {
      const state = await test.confirmer.makeConfirmation();

      const transaction = test.dataSource.transaction(async () => {
        const [, confirmed] = await test.confirmer.confirm(state.id, 'WRONGCODE');
        expect(confirmed).toBe(false);
        throw new RolledBack();
      });

      await expect(transaction).rejects.toBeInstanceOf(
        isServer(engine) ? RolledBack : TwoFactorUnavailableError,
      );
      const [after] = await test.confirmer.check(state.id);
      expect(after?.attemptsLeft).toBe(isServer(engine) ? 4 : 5);
    },
  );

  it('makes no confirmation in a transaction that rolls back', async () => {
    let id = '';

    const transaction = test.dataSource.transaction(async (manager) => {
      ({ id } = await test.confirmer.makeConfirmation({ manager }));
      throw new RolledBack();
    });

    await expect(transaction).rejects.toBeInstanceOf(RolledBack);
    expect(await test.confirmer.check(id)).toEqual([null, false]);
  });

  it('makes a confirmation in a transaction that commits', async () => {
    const state = await test.dataSource.transaction((manager) =>
      test.confirmer.makeConfirmation({ manager, token: 'ann@example.com' }),
    );

    expect(await test.confirmer.check(state.id)).toMatchObject([{ status: 'pending' }, false]);
  });

  it('refuses a manager outside of a transaction, and both key and manager', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });
    const { manager } = test.dataSource;

    await expect(test.confirmer.use(state, { manager })).rejects.toThrow(/in no transaction/);
    await expect(
      test.confirmer.use(state, { manager, idempotencyKey: 'sixteen-characters' }),
    ).rejects.toBeInstanceOf(TwoFactorCallError);
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it('refuses the manager of another data source', async () => {
    const other = await startApp();
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    const transaction = other.dataSource.transaction((manager) =>
      test.confirmer.use(state, { manager }),
    );

    await expect(transaction).rejects.toThrow(/another data source/);
    expect(await test.confirmer.use(state)).toBe(true);
    await other.close();
  });

  it('refuses an object that only resembles a manager, with an error of the package', async () => {
    const manager = { queryRunner: { isTransactionActive: true } } as unknown as EntityManager;

    const made = test.confirmer.makeConfirmation({ manager });

    await expect(made).rejects.toBeInstanceOf(TwoFactorCallError);
  });

  it('answers the same key true again and any other false', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true, purpose: 'pay' });
    const key = 'payment-0000000001';

    expect(await test.confirmer.use(state, { purpose: 'pay', idempotencyKey: key })).toBe(true);
    expect(await test.confirmer.use(state, { purpose: 'pay', idempotencyKey: key })).toBe(true);
    expect(await test.confirmer.use(state, { purpose: 'pay', idempotencyKey: `${key}X` })).toBe(
      false,
    );
    expect(
      await test.confirmer.use(state, { purpose: 'pay', idempotencyKey: key.toUpperCase() }),
    ).toBe(false);
    expect(await test.confirmer.use(state, { purpose: 'pay' })).toBe(false);
    expect(await test.confirmer.use(state, { idempotencyKey: key })).toBe(false);
    test.clock.advance(600);
    expect(await test.confirmer.use(state, { purpose: 'pay', idempotencyKey: key })).toBe(true);
  });
});

describe.each(servers)('Isolation levels on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine });
  });
  afterAll(() => test.close());

  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const)(
    'lets one of 20 transactions at %s spend the proof; the others get false or a conflict',
    async (isolation) => {
      const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () =>
          test.dataSource.transaction(isolation, async (manager) => {
            // Takes the snapshot before anybody has spent the proof.
            await manager.query('SELECT count(*) FROM two_factor_confirmation');
            return test.confirmer.use(state, { manager });
          }),
        ),
      );

      const used = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value);
      const refusals = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
      );
      expect(used).toHaveLength(1);
      for (const reason of refusals) expect(reason).toBeInstanceOf(TwoFactorConflictError);
    },
  );
});
