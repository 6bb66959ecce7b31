// On SQLite all transactions share one query runner. A call that one of them has begun and not awaited must not go on inside the next one,
// whose rollback would undo it, and whose proof its rollback would undo.
import { AsyncResource } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  Entity,
  EntityManager,
  PrimaryColumn,
  type EntitySubscriberInterface,
} from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TwoFactorCallError, type TwoFactorModuleOptions } from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { gate } from '../support/gate.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

@Entity('left_entry')
class Entry {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 36 })
  text!: string;
}

type Transaction = <T>(work: (manager: EntityManager) => Promise<T>) => Promise<T>;

let test: HttpTestApp;

const entry = (id: string): Entry => ({ id, text: 'ann' });
const failure = new Error('It fails.');

const ids = async (): Promise<string[]> =>
  (await test.dataSource.manager.find(Entry)).map(({ id }) => id).toSorted();

async function proof(): Promise<string> {
  return (await test.confirmer.makeConfirmation({ isConfirmed: true })).id;
}

const isUsed = async (id: string): Promise<boolean> => (await test.row(id)).usedAt !== null;

function subscribe(subscriber: EntitySubscriberInterface<Entry>): void {
  test.dataSource.subscribers.push(subscriber);
}

const ours: Transaction = (work) => test.dataSource.transaction(work);

/** What an application may write: transactions one after the other, each of which begins when the one before it has answered. */
function naive(): Transaction {
  const { manager } = test.dataSource;
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    // Not the method of this manager, which takes turns.
    const begin = EntityManager.prototype as unknown as Record<'transaction', Transaction>;
    const own = last.then(() => begin.transaction.call(manager, work)) as ReturnType<typeof work>;
    last = own.catch(() => undefined);
    return own;
  };
}

/** A subscriber saves a line after the first commit, without awaiting it, and fails while another person pays. */
async function payBesideALog(
  transaction: Transaction,
): Promise<{ readonly isPaid: boolean; readonly isUsed: boolean }> {
  const id = await proof();
  const { opened, open } = gate();
  let saved: Promise<unknown> | undefined;
  subscribe({
    afterTransactionCommit: () => {
      saved ??= test.dataSource.manager.save(Entry, entry('log')).catch(() => undefined);
    },
    beforeInsert: async ({ entity }) => {
      if (entity?.id !== 'log') return;
      open();
      await pause(50);
      throw failure;
    },
  });
  await transaction((manager) => manager.insert(Entry, entry('first')));
  await opened;
  await transaction(async (manager) => {
    await test.confirmer.use(id, { manager });
    await pause(100);
    await manager.insert(Entry, entry('payment'));
  });
  await saved;
  return { isPaid: (await ids()).includes('payment'), isUsed: await isUsed(id) };
}

/** Of two saves at once one fails, and with it their transaction, while the other one runs on. */
async function leaveASaveBehind(transaction: Transaction): Promise<string[]> {
  subscribe({
    beforeInsert: async ({ entity }) => {
      if (entity?.id === 'slow') await pause(50);
    },
  });
  const failed = transaction((manager) =>
    Promise.all([
      manager.save(Entry, entry('slow')),
      // An entity without its second column cannot be stored.
      manager.save(Entry, { id: 'broken' }),
    ]),
  );
  const other = transaction(async (manager) => {
    await manager.insert(Entry, entry('other'));
    await pause(100);
  });
  await expect(failed).rejects.toThrow('NOT NULL');
  await other;
  return ids();
}

describe.each(engines.filter((engine) => engine === 'sqljs' || engine === 'better-sqlite3'))(
  'Work that a transaction on %s did not await',
  (engine) => {
    const start = async (options: TwoFactorModuleOptions = {}): Promise<void> => {
      test = await startHttpApp({
        engine,
        options,
        imports: [TypeOrmModule.forFeature([Entry])],
      });
      await test.dataSource.synchronize();
    };
    const stop = async (): Promise<void> => {
      test.dataSource.subscribers.length = 0;
      await test.close();
    };
    /** The end of a transaction waits this long for what has not ended, which is half of `databaseTimeoutMs`. */
    const limitTo = async (ms: number): Promise<void> => {
      await stop();
      await start({ databaseTimeoutMs: 2 * ms });
    };
    beforeEach(() => start());
    afterEach(stop);

    it('undoes no proof of the transaction after it, when it fails after a commit', async () => {
      expect(await payBesideALog(ours)).toEqual({ isPaid: true, isUsed: true });
    });

    it('is rolled back with its own transaction, when that fails before it has ended', async () => {
      expect(await leaveASaveBehind(ours)).toEqual(['other']);
    });

    it('undoes a proof, and is committed by another transaction, in the naive twin, which waits for no such work', async () => {
      expect(await payBesideALog(naive())).toEqual({ isPaid: true, isUsed: false });
      test.dataSource.subscribers.length = 0;
      await test.dataSource.manager.clear(Entry);
      expect(await leaveASaveBehind(naive())).toEqual(['other', 'slow']);
    });

    it('does not commit what its transaction rolls back, when it is a transaction itself', async () => {
      const id = await proof();
      const outcome = test.dataSource.transaction(async (manager) => {
        await test.confirmer.use(id, { manager });
        await Promise.all([
          test.dataSource.transaction(async (inner) => {
            await pause(50);
            await inner.insert(Entry, entry('slow'));
          }),
          pause(10).then(() => Promise.reject(failure)),
        ]);
      });
      await expect(outcome).rejects.toBe(failure);

      expect(await ids()).toEqual([]);
      expect(await isUsed(id)).toBe(false);
    });

    it('lets the caller have the answer before it has ended, and the next transaction begin after that', async () => {
      let isSaved = false;
      const saveLog = async (): Promise<void> => {
        await test.dataSource.manager.save(Entry, entry('log'));
        isSaved = true;
      };
      subscribe({
        afterTransactionCommit: () => {
          if (!isSaved) void saveLog();
        },
        beforeInsert: async ({ entity }) => {
          if (entity?.id === 'log') await pause(50);
        },
      });
      await test.dataSource.transaction((manager) => manager.insert(Entry, entry('first')));
      expect(isSaved).toBe(false);
      await test.dataSource.transaction(async () => expect(isSaved).toBe(true));
    });

    it('is not rolled back with the next transaction when it is a call of the module', async () => {
      const id = await proof();
      let use: Promise<boolean> | undefined;
      subscribe({
        afterTransactionCommit: async () => {
          use ??= test.confirmer.use(id);
          await pause(20);
        },
        beforeQuery: ({ query }) =>
          query.startsWith('UPDATE') ? pause(50).then(() => undefined) : undefined,
      });
      await test.dataSource.transaction((manager) => manager.insert(Entry, entry('first')));
      const second = test.dataSource.transaction(async (manager) => {
        await manager.insert(Entry, entry('second'));
        await pause(100);
        throw failure;
      });
      await expect(second).rejects.toBe(failure);

      expect(await use).toBe(true);
      expect(await isUsed(id)).toBe(true);
      expect(await ids()).toEqual(['first']);
    });

    it('holds the next transaction up for a time, and not for good, when it never ends', async () => {
      const limitMs = 300;
      await limitTo(limitMs);
      subscribe({
        beforeInsert: async ({ entity }) => {
          if (entity?.id === 'never') await new Promise(() => undefined);
        },
      });
      const begun = performance.now();
      await test.dataSource.transaction(async (manager) => {
        void manager.save(Entry, entry('never'));
        await manager.insert(Entry, entry('first'));
      });
      await test.dataSource.transaction((manager) => manager.insert(Entry, entry('second')));

      expect(await ids()).toEqual(['first', 'second']);
      expect(performance.now() - begun).toBeGreaterThan(limitMs - 20);
    });

    it('takes a turn of its own for what it saves after the time limit', async () => {
      // Twice as long is left for the save that waits for its turn.
      await limitTo(2_000);
      const { opened, open } = gate();
      let saved: Promise<unknown> | undefined;
      subscribe({
        beforeInsert: async ({ entity }) => {
          if (entity?.id !== 'slow') return;
          await opened;
          await test.dataSource.manager.save(Entry, entry('inner'));
        },
      });
      await test.dataSource.transaction(async (manager) => {
        saved = manager.save(Entry, entry('slow'));
        await manager.insert(Entry, entry('first'));
      });
      const second = test.dataSource.transaction(async (manager) => {
        await manager.insert(Entry, entry('second'));
        open();
        await pause(50);
        throw failure;
      });
      await expect(second).rejects.toBe(failure);
      await saved;

      expect(await ids()).toEqual(['first', 'inner', 'slow']);
    });

    it('is refused the use of a proof by the manager of its transaction, in the middle of another one', async () => {
      const id = await proof();
      const { opened, open } = gate();
      let use: Promise<PromiseSettledResult<boolean>[]> | undefined;
      await test.dataSource.transaction(async (manager) => {
        use = Promise.allSettled([opened.then(() => test.confirmer.use(id, { manager }))]);
      });
      await test.dataSource.transaction(async () => {
        open();
        await use;
      });

      expect(await use).toMatchObject([{ reason: expect.any(TwoFactorCallError) as unknown }]);
      expect(await isUsed(id)).toBe(false);
    });

    it('waits for a turn of its own, when it begins to save after the end of its transaction', async () => {
      const { opened, open } = gate();
      let saved: Promise<unknown> | undefined;
      await test.dataSource.transaction(async (manager) => {
        saved = opened.then(() => manager.save(Entry, entry('late')));
      });
      const second = test.dataSource.transaction(async (manager) => {
        await manager.insert(Entry, entry('second'));
        open();
        await pause(50);
        throw failure;
      });
      await expect(second).rejects.toBe(failure);
      await saved;

      expect(await ids()).toEqual(['late']);
    });

    it('is a part of the transaction whose manager it has, in whatever context it runs', async () => {
      const other = new AsyncResource('a pool of the application');
      const outcome = test.dataSource.transaction(async (manager) => {
        await other.runInAsyncScope(() => manager.save(Entry, entry('1')));
        await other.runInAsyncScope(() =>
          manager.transaction((inner) => inner.insert(Entry, entry('2'))),
        );
        throw failure;
      });
      await expect(outcome).rejects.toBe(failure);
      expect(await ids()).toEqual([]);
    });
  },
);
