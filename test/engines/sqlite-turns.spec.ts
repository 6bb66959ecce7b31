// On SQLite transactions wait for each other, and calls of the module for transactions. None of them may wait for what waits for it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryColumn, type Repository } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

@Entity('turn_entry')
class Entry {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 36 })
  text!: string;
}

let test: TestApp;
let entries: Repository<Entry>;

const entry = (id: string): Entry => ({ id, text: 'ann' });

const ids = async (): Promise<string[]> => (await entries.find()).map(({ id }) => id).toSorted();

async function proof(): Promise<string> {
  return (await test.confirmer.makeConfirmation({ isConfirmed: true })).id;
}

/** Saves by the manager of the data source, as a service of the application does that knows of no query runner. */
async function saveInAllWays(): Promise<void> {
  const { manager } = test.dataSource;
  await entries.save(entry('1'));
  await manager.save(Entry, entry('2'));
  await manager.remove(await entries.findOneByOrFail({ id: '1' }));
  await test.dataSource.transaction((within) => within.insert(Entry, entry('3')));
}

/** A call whose end the loop of a test waits for. */
interface Watched {
  isOver: boolean;
  readonly outcome: Promise<PromiseSettledResult<boolean>>;
}

function watch(call: Promise<boolean>): Watched {
  const watched = {
    isOver: false,
    outcome: Promise.allSettled([call]).then(([outcome]) => {
      watched.isOver = true;
      return outcome;
    }),
  };
  return watched;
}

/** Makes a call beside the transaction of a query runner, in which something is saved once the call has found it open. */
async function useBeside(
  id: string,
  end: 'commitTransaction' | 'rollbackTransaction',
): Promise<PromiseSettledResult<boolean>> {
  const runner = test.dataSource.createQueryRunner();
  await runner.startTransaction();
  const { outcome } = watch(test.confirmer.use(id));
  await pause(20);
  await saveInAllWays();
  await runner[end]();
  return outcome;
}

describe.each(engines.filter((engine) => engine === 'sqljs' || engine === 'better-sqlite3'))(
  'Turns on %s',
  (engine) => {
    beforeEach(async () => {
      test = await startApp({ engine, imports: [TypeOrmModule.forFeature([Entry])] });
      await test.dataSource.synchronize();
      entries = test.dataSource.getRepository(Entry);
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      await test.close();
    });

    describe('beside the transaction of a query runner', () => {
      it('answers a call after its commit, and keeps no `save` inside of it waiting for the call', async () => {
        const id = await proof();

        const use = await useBeside(id, 'commitTransaction');

        expect(use).toEqual({ status: 'fulfilled', value: true });
        expect(await ids()).toEqual(['2', '3']);
      });

      it('keeps the effect of a call out of it, and rolls back its saves alone', async () => {
        const id = await proof();

        const use = await useBeside(id, 'rollbackTransaction');

        expect(use).toEqual({ status: 'fulfilled', value: true });
        expect(await ids()).toEqual([]);
        expect(await test.confirmer.use(id)).toBe(false);
      });

      it('lets twenty calls wait beside its saves, each of which takes effect once', async () => {
        const id = await proof();
        const others = await Promise.all(Array.from({ length: 10 }, proof));
        const runner = test.dataSource.createQueryRunner();
        await runner.startTransaction();
        const one = Array.from({ length: 10 }, () => test.confirmer.use(id));
        const each = others.map((other) => test.confirmer.use(other));
        const outcomes = Promise.allSettled([...one, ...each]);
        await pause(20);
        await saveInAllWays();
        await runner.commitTransaction();
        const values = (await outcomes).map((outcome) =>
          outcome.status === 'fulfilled' ? outcome.value : outcome.reason,
        );

        expect(values.slice(0, 10).filter((used) => used === true)).toHaveLength(1);
        expect(values.slice(0, 10).filter((used) => used === false)).toHaveLength(9);
        expect(values.slice(10)).toEqual(others.map(() => true));
      });

      it('answers a call that waited for it before transactions that keep coming', async () => {
        const id = await proof();
        const runner = test.dataSource.createQueryRunner();
        await runner.startTransaction();
        const use = watch(test.confirmer.use(id));
        await pause(20);
        await runner.commitTransaction();
        const keepComing = async (): Promise<void> => {
          while (!use.isOver) await test.dataSource.transaction(() => pause(2));
        };
        await Promise.all(Array.from({ length: 5 }, keepComing));

        expect(await use.outcome).toEqual({ status: 'fulfilled', value: true });
      });

      it('refuses a call after two seconds of such transactions without a gap, and lets each of them save meanwhile', async () => {
        const id = await proof();
        const runner = test.dataSource.createQueryRunner();
        await runner.startTransaction();
        const use = watch(test.confirmer.use(id));
        let saved = 0;
        while (!use.isOver) {
          await pause(10);
          await entries.save(entry(String(saved)));
          if (!use.isOver) saved += 1;
          await runner.commitTransaction();
          await runner.startTransaction();
        }
        await runner.rollbackTransaction();

        const refusal = await use.outcome;
        expect(refusal).toMatchObject({
          reason: expect.any(TwoFactorUnavailableError) as unknown,
        });
        expect(String((refusal as PromiseRejectedResult).reason)).toContain('by a query runner');
        // On a busy machine too. While the call kept its turn, not one of them was saved before the refusal.
        expect(saved).toBeGreaterThan(0);
        expect(await test.confirmer.use(id)).toBe(true);
      });
    });

    describe('with async contexts', () => {
      /** The storages of contexts that were used, and of these the ones that still slow down each promise of the process. */
      function watchStorages(): { used: () => number; enabled: () => unknown[] } {
        const run = vi.spyOn(AsyncLocalStorage.prototype, 'run');
        const storages = (): Set<unknown> => new Set(run.mock.contexts);
        return {
          used: () => storages().size,
          // Node 24 follows contexts at no cost, and has no such property.
          enabled: () =>
            [...storages()].filter((storage) => (storage as { enabled?: boolean }).enabled),
        };
      }

      it('stop tracking promises after transactions and calls, however each of them ended', async () => {
        const storages = watchStorages();
        const { dataSource, confirmer } = test;
        const failure = new Error('It fails.');
        const busy = Array.from({ length: 5 }, () => dataSource.transaction(() => pause(2)));
        const kinds: Record<string, () => Promise<unknown>> = {
          'transactions at once': () => Promise.all(busy),
          'a save': () => entries.save(entry('saved')),
          'a call': async () => confirmer.use(await proof()),
          'a transaction that fails': () => dataSource.transaction(() => Promise.reject(failure)),
          'a call in a transaction, which is refused': () =>
            dataSource.transaction(() => confirmer.use('0'.repeat(22))),
          'transactions and calls at once': async () => {
            const proofs = await Promise.all(Array.from({ length: 10 }, proof));
            const uses = proofs.map((id) => confirmer.use(id));
            const saves = proofs.map((id) => entries.save(entry(id)));
            return Promise.all([...uses, ...saves]);
          },
        };
        for (const [kind, work] of Object.entries(kinds)) {
          await Promise.allSettled([work()]);
          expect(storages.enabled(), kind).toEqual([]);
        }
        expect(storages.used()).toBe(1);
      });

      it('stop tracking promises as soon as a transaction is over, although calls that waited for it run', async () => {
        const storages = watchStorages();
        const id = await proof();
        let use: Watched | undefined;
        await test.dataSource.transaction(async (manager) => {
          await manager.insert(Entry, entry('1'));
          // Another request makes the call.
          setImmediate(() => {
            use = watch(test.confirmer.use(id));
          });
          await pause(20);
          // The statement of the call takes a while, and is executed after this transaction.
          test.dataSource.subscribers.push({
            beforeQuery: ({ query }) =>
              query === 'COMMIT' ? undefined : pause(50).then(() => undefined),
          });
        });

        expect(use?.isOver).toBe(false);
        expect(storages.used()).toBe(1);
        expect(storages.enabled()).toEqual([]);
        expect(await use?.outcome).toEqual({ status: 'fulfilled', value: true });
      });

      it('keep the context of a transaction that begins in the tick in which another one, or a call, ends', async () => {
        const { dataSource, confirmer } = test;
        const proofs = await Promise.all(Array.from({ length: 5 }, proof));
        const madeOutside = pause(20);
        const work = async (id: string): Promise<void> => {
          await dataSource.transaction(async (manager) => {
            await madeOutside;
            await manager.insert(Entry, entry(`${id}-1`));
            await pause(1);
            // Without its context it would wait for the transaction that it is a part of.
            await entries.save(entry(`${id}-2`));
            await new Promise(setImmediate);
            await dataSource.transaction(async () => entries.save(entry(`${id}-3`)));
          });
        };
        await Promise.all([
          ...['a', 'b', 'c'].map(work),
          ...proofs.map((id, at) => confirmer.use(id).then(() => work(String(at)))),
          work('d').then(() => work('e')),
        ]);

        expect(await ids()).toHaveLength(3 * 10);
      });
    });
  },
);
