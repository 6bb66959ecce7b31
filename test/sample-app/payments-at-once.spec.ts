// Different customers pay in the same moment. SQLite, which the bank uses without a DATABASE_URL, has one connection for all of them.
import { ConfirmerService } from 'nestjs-two-factor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Transfer } from '../../sample-app/src/transfers/transfer.entity.js';
import { User } from '../../sample-app/src/accounts/user.entity.js';
import { Barrier } from '../support/barrier.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, type Answer } from '../support/customer.js';
import { servers } from '../support/engines.js';

const ROUNDS = 20;

describe.each(['sqljs', ...servers] as const)('Payments at once on %s', (engine) => {
  let bank: Bank;
  let ann: Customer;
  let cleo: Customer;
  /** Lets transactions begin in one tick, as those of a busy bank do. */
  let together = new Barrier(1);

  beforeAll(async () => {
    bank = await startBank({ engine });
    ann = await new Customer(bank.url, 'ann@bank.example').signUp();
    await ann.signIn();
    cleo = await new Customer(bank.url, 'cleo@bank.example').signUp();
    await cleo.signIn();
    const { dataSource } = bank;
    const begin = dataSource.transaction.bind(dataSource) as (
      ...args: unknown[]
    ) => Promise<unknown>;
    dataSource.transaction = async (...args: unknown[]) => {
      await together.enter();
      return begin(...args);
    };
  });
  afterAll(() => bank?.close());

  /** A proof without a message, because sixty messages are more than the limits allow. */
  async function proofOf({ email }: Customer, details: Record<string, string>): Promise<string> {
    const { id } = await bank.dataSource.manager.findOneByOrFail(User, { email });
    const input = { purpose: 'transfer', subject: id, details, isConfirmed: true };
    return (await bank.app.get(ConfirmerService).makeConfirmation(input)).id;
  }

  it('moves the money of both once, however often two customers pay each other at once', async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const pay = async (payer: Customer, payee: Customer): Promise<() => Promise<Answer>> => {
        const details = { amount: '1.00', payee: payee.email };
        const id = await proofOf(payer, details);
        return () => payer.transfer(details, id);
      };
      const calls = [await pay(ann, cleo), await pay(cleo, ann)];
      together = new Barrier(calls.length);

      const answers = await Promise.all(calls.map((call) => call()));

      expect(
        answers.map(({ status, body }) => ({ status, body })),
        `round ${round}`,
      ).toEqual([
        { status: 204, body: {} },
        { status: 204, body: {} },
      ]);
      expect(await bank.dataSource.manager.count(Transfer)).toBe(2 * round);
    }
    expect([await ann.balance(), await cleo.balance()]).toEqual(['1000.00', '1000.00']);
  });

  it('undoes the payment that cannot be paid, and not the one beside it', async () => {
    const before = await bank.dataSource.manager.count(Transfer);
    const payments = [
      [ann, { amount: '5000.00', payee: cleo.email }],
      [cleo, { amount: '1.00', payee: ann.email }],
    ] as const;
    const ids = [await proofOf(...payments[0]), await proofOf(...payments[1])];
    together = new Barrier(payments.length);

    const [refused, paid] = await Promise.all(
      payments.map(([payer, details], at) => payer.transfer(details, ids[at]!)),
    );

    expect(refused).toMatchObject({ status: 422, body: { error: 'not-enough-money' } });
    expect(paid).toMatchObject({ status: 204 });
    expect(await bank.dataSource.manager.count(Transfer)).toBe(before + 1);
    expect([await ann.balance(), await cleo.balance()]).toEqual(['1001.00', '999.00']);
  });
});
