// TypeORM has one query runner for all calls on SQLite. Two transactions that are begun at once would be one.
import { setImmediate } from 'node:timers/promises';

import {
  Body,
  Controller,
  Inject,
  Logger,
  Post,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Matches, MaxLength } from 'class-validator';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  TwoFactorUnavailableError,
} from '../../lib/index.js';
import { Barrier } from '../support/barrier.js';
import { engines } from '../support/engines.js';
import { gate } from '../support/gate.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

@Entity('bank_payment')
class Payment {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 36 })
  userId!: string;
}

class PaymentDetails {
  @Matches(/^\d{1,5}$/)
  @MaxLength(5)
  amount!: string;
}

const userOf = (context: ExecutionContext): string =>
  context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user']!;

/** Lets calls go on in one tick, as those of a busy server do. */
let together = new Barrier(1);

class TogetherGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    await together.enter();
    return true;
  }
}

/** What the handler does after the payment, in its transaction. */
let afterPayment: (id: string) => Promise<unknown>;

@Controller('payments')
class PaymentsController {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  // As step 4 of docs/guides/step-up-for-a-payment.md.
  @Post()
  @UseGuards(TogetherGuard)
  @RequireConfirmation('payment', { useIn: 'handler' })
  async pay(
    @Body() { amount }: PaymentDetails,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<{ paid: string }> {
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      await manager.insert(Payment, { id: proof.id, userId: proof.state.subject ?? '' });
      await afterPayment(proof.id);
    });
    return { paid: amount };
  }
}

let test: HttpTestApp;

const details = { amount: '10' };

async function proofOf(subject: string): Promise<string> {
  const input = { purpose: 'payment', subject, details, isConfirmed: true };
  return (await test.confirmer.makeConfirmation(input)).id;
}

const pay = (user: string, id: string): Promise<Answer> =>
  test.post('/payments', details, { 'x-user': user, 'x-confirmation-id': id });

/** Pays for all at once. */
function payAll(users: readonly string[], ids: readonly string[]): Promise<Answer[]> {
  together = new Barrier(users.length);
  return Promise.all(users.map((user, at) => pay(user, ids[at]!)));
}

const statusesOf = (answers: readonly Answer[]): number[] =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b);

const payments = (): Promise<Payment[]> => test.dataSource.manager.find(Payment);

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe.each(engines.filter((engine) => engine === 'sqljs' || engine === 'better-sqlite3'))(
  'Transactions at once on %s',
  (engine) => {
    beforeEach(async () => {
      afterPayment = async () => undefined;
      together = new Barrier(1);
      test = await startHttpApp({
        engine,
        options: {
          controller: true,
          purposes: {
            payment: { subject: userOf, recipient: () => 'a@example.com', details: PaymentDetails },
          },
        },
        controllers: [PaymentsController],
        providers: [{ provide: APP_FILTER, useClass: TwoFactorExceptionFilter }],
        imports: [TypeOrmModule.forFeature([Payment])],
      });
      await test.dataSource.synchronize();
    });
    afterEach(() => test?.close());

    it('lets two people pay at once, each exactly once, in twenty rounds', async () => {
      for (let round = 0; round < 20; round += 1) {
        const users = [`ann-${round}`, `bob-${round}`];
        const ids = await Promise.all(users.map((user) => proofOf(user)));

        const answers = await payAll(users, ids);

        expect(statusesOf(answers), `round ${round}`).toEqual([201, 201]);
        expect(await payments()).toHaveLength(2 * (round + 1));
      }
    });

    it('lets twenty people pay at once, each exactly once', async () => {
      const users = Array.from({ length: 20 }, (_, at) => `user-${at}`);
      const ids = await Promise.all(users.map((user) => proofOf(user)));

      const answers = await payAll(users, ids);

      expect(statusesOf(answers)).toEqual(users.map(() => 201));
      const made = (await payments()).map(({ id }) => id);
      expect(made.toSorted()).toEqual(ids.toSorted());
      for (const id of ids) expect((await test.row(id)).usedAt).not.toBeNull();
    });

    it('answers one of twenty calls with one proof, and 409 to the others', async () => {
      for (let round = 0; round < 5; round += 1) {
        const id = await proofOf('ann');

        const answers = await payAll(
          Array.from({ length: 20 }, () => 'ann'),
          Array.from({ length: 20 }, () => id),
        );

        expect(statusesOf(answers)).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
      }
      expect(await payments()).toHaveLength(5);
    });

    it('rolls back the payment that fails, and none of those beside it', async () => {
      const users = Array.from({ length: 10 }, (_, at) => `user-${at}`);
      const ids = await Promise.all(users.map((user) => proofOf(user)));
      const [broken] = ids;
      afterPayment = async (id) => {
        await test.dataSource.query('SELECT 1');
        if (id === broken) throw new Error('There is no money.');
      };

      const answers = await payAll(users, ids);

      expect(statusesOf(answers)).toEqual([...users.slice(1).map(() => 201), 500]);
      const made = (await payments()).map(({ id }) => id);
      expect(made.toSorted()).toEqual(ids.slice(1).toSorted());
      expect((await test.row(broken!)).usedAt).toBeNull();
    });

    it('keeps a transaction apart from a `save` of another call that fails', async () => {
      const { manager } = test.dataSource;
      const repository = test.dataSource.getRepository(Payment);
      await manager.insert(Payment, { id: 'taken', userId: 'eve' });
      const id = await proofOf('ann');
      const saves: Promise<unknown>[] = [];
      const [paid] = await Promise.allSettled([
        manager.transaction(async (within) => {
          await test.confirmer.use(id, {
            purpose: 'payment',
            subject: 'ann',
            details,
            manager: within,
          });
          await within.insert(Payment, { id, userId: 'ann' });
        }),
        ...Array.from({ length: 5 }, () => {
          // An entity without its second column cannot be stored.
          const save = repository.save({ id: 'broken' } as Payment);
          saves.push(save);
          return save;
        }),
      ]);

      expect(paid.status).toBe('fulfilled');
      const refused = await Promise.allSettled(saves);
      expect(refused.map(({ status }) => status)).toEqual(saves.map(() => 'rejected'));
      expect((await payments()).map((payment) => payment.id).toSorted()).toEqual([id, 'taken']);
      expect((await test.row(id)).usedAt).not.toBeNull();
    });

    it('takes a transaction, and a `save`, inside of a transaction as a part of it', async () => {
      const { dataSource } = test;
      const failure = new Error('The outer one fails.');
      const outer = dataSource.transaction(async (manager) => {
        await manager.insert(Payment, { id: '1', userId: 'ann' });
        await manager.transaction((inner) => inner.insert(Payment, { id: '2', userId: 'ann' }));
        await dataSource.transaction((inner) => inner.insert(Payment, { id: '3', userId: 'ann' }));
        await dataSource.getRepository(Payment).save({ id: '4', userId: 'ann' });
        expect(await manager.count(Payment)).toBe(4);
        throw failure;
      });
      await expect(outer).rejects.toBe(failure);
      expect(await payments()).toEqual([]);
    });

    it('begins the next transaction after one that failed, and after one whose level is refused', async () => {
      const { dataSource } = test;
      const failure = new Error('It fails.');
      await expect(dataSource.transaction(() => Promise.reject(failure))).rejects.toBe(failure);
      const level = 'NO SUCH LEVEL' as 'SERIALIZABLE';
      await expect(dataSource.transaction(level, async () => undefined)).rejects.toThrow(
        'isolation',
      );
      await dataSource.transaction('SERIALIZABLE', (manager) =>
        manager.insert(Payment, { id: '1', userId: 'ann' }),
      );
      expect(await payments()).toHaveLength(1);
    });

    it('lets a transaction that is begun for another call inside of one wait for its end', async () => {
      const { dataSource } = test;
      let later: Promise<unknown> | undefined;
      const order: string[] = [];
      await dataSource.transaction(async () => {
        later = pause(20).then(() => dataSource.transaction(async () => order.push('later')));
        order.push('first');
      });
      await later;
      expect(order).toEqual(['first', 'later']);
    });

    it('answers a call of a subscriber after a commit, which TypeORM waits for', async () => {
      const { dataSource, confirmer } = test;
      const id = await proofOf('ann');
      const used: unknown[] = [];
      dataSource.subscribers.push({
        afterTransactionCommit: async () => {
          used.push(await confirmer.use(id, { purpose: 'payment', subject: 'ann', details }));
        },
      });
      await dataSource.transaction((manager) => manager.insert(Payment, { id, userId: 'ann' }));
      dataSource.subscribers.length = 0;
      expect(used).toEqual([true]);
    });

    it('lets the call of another request wait for an open transaction, however many follow it', async () => {
      const { dataSource, confirmer } = test;
      const id = await proofOf('ann');
      const { opened, open } = gate();
      let ended = 0;
      const transact = async (at: number, until?: Promise<void>): Promise<void> => {
        await dataSource.transaction(async (manager) => {
          await manager.insert(Payment, { id: String(at), userId: 'ann' });
          await until;
        });
        ended += 1;
      };
      const first = transact(0, opened);
      const use = confirmer
        .use(id, { purpose: 'payment', subject: 'ann', details })
        .then((isUsed) => ({ isUsed, ended }));
      await setImmediate();
      const later = Array.from({ length: 49 }, (_, at) => transact(at + 1));
      open();
      expect(await use).toEqual({ isUsed: true, ended: 1 });
      await Promise.all([first, ...later]);
      expect(await payments()).toHaveLength(50);
    });

    it('refuses a call for which a transaction of another call stays open too long, and says so', async () => {
      const { dataSource, confirmer } = test;
      const id = await proofOf('ann');
      let end = (): void => undefined;
      const open = dataSource.transaction(
        () =>
          new Promise<void>((resolve) => {
            end = resolve;
          }),
      );
      await pause(20);
      const use = confirmer.use(id, { purpose: 'payment', subject: 'ann', details });
      await expect(use).rejects.toThrow(TwoFactorUnavailableError);
      await expect(use).rejects.toThrow(
        'Transactions of other calls occupied the only connection of this SQLite data source for too long.',
      );
      end();
      await open;
      expect((await test.row(id)).usedAt).toBeNull();
    });

    it('refuses a call inside of a transaction that is not given its manager, and says so', async () => {
      const { dataSource, confirmer } = test;
      const id = await proofOf('ann');
      const use = dataSource.transaction(() =>
        confirmer.use(id, { purpose: 'payment', subject: 'ann', details }),
      );
      await expect(use).rejects.toThrow(
        'The call was made inside of a transaction on the only connection of this SQLite data source',
      );
      expect((await test.row(id)).usedAt).toBeNull();
    });

    it('refuses a transaction that another one keeps waiting longer than `databaseTimeoutMs`', async () => {
      const impatient = await startHttpApp({ engine, options: { databaseTimeoutMs: 300 } });
      const { dataSource } = impatient;
      let end = (): void => undefined;
      const open = dataSource.transaction(
        () =>
          new Promise<void>((resolve) => {
            end = resolve;
          }),
      );
      const work = vi.fn<() => Promise<void>>(async () => undefined);
      await expect(dataSource.transaction(work)).rejects.toThrow(TwoFactorUnavailableError);
      end();
      await open;
      expect(work).not.toHaveBeenCalled();
      await dataSource.transaction(work);
      expect(work).toHaveBeenCalledOnce();
      await impatient.close();
    });

    it('logs a refusal once', async () => {
      const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
      const id = await proofOf('ann');
      let end = (): void => undefined;
      const open = test.dataSource.transaction(
        () =>
          new Promise<void>((resolve) => {
            end = resolve;
          }),
      );
      const answer = await pay('ann', id);
      end();
      await open;
      expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily-unavailable' } });
      const { instance } = answer.body as { instance: string };
      const lines = error.mock.calls.map(([line]) => String(line));
      expect(lines.filter((line) => line.includes(instance))).toHaveLength(1);
      error.mockRestore();
    });
  },
);
