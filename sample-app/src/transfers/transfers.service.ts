import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { ConfirmationProof } from 'nestjs-two-factor';
import { DataSource, MoreThanOrEqual, type EntityManager, type FindOptionsWhere } from 'typeorm';

import { inLowerCase } from '../accounts/email.dto.js';
import { requireCurrentContact } from '../accounts/require-current-contact.js';
import { User } from '../accounts/user.entity.js';
import { Refusal } from '../http/problem.js';
import { fromCents, toCents } from './money.js';
import { Transfer } from './transfer.entity.js';
import type { TransferAnswer, TransferDetails } from './transfers.dto.js';

const PAGE = 20;

@Injectable()
export class TransfersService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** Uses the proof and moves the money, both or neither. */
  async transfer(payer: User, body: TransferDetails, proof: ConfirmationProof): Promise<void> {
    const amountCents = toCents(body.amount);
    const payee = await this.dataSource.manager.findOneBy(User, {
      email: inLowerCase(body.payee),
    });
    if (payee === null) throw noSuchPayee();
    if (payee.id === payer.id) {
      throw new Refusal(422, 'own-account', 'That is your own account.');
    }

    // SQLite has one connection for the whole application, so that nothing in here may wait for anything but the database.
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      const moves = [
        { id: payer.id, move: () => withdraw(manager, payer.id, amountCents) },
        { id: payee.id, move: () => deposit(manager, payee.id, amountCents) },
      ];
      // In the order of the ids, so that two opposite transfers never wait for each other.
      for (const { move } of moves.toSorted((a, b) => (a.id < b.id ? -1 : 1))) await move();
      // Now that the payer is locked. To lock the payer first would break that order.
      await requireCurrentContact(proof, payer, manager);
      // Last, because its foreign keys take shared locks on both users. Two transfers that hold them and then want to
      // update the users would deadlock on MariaDB.
      await manager.insert(Transfer, {
        id: randomUUID(),
        confirmationId: proof.id,
        payerId: payer.id,
        payeeId: payee.id,
        amountCents,
        createdAt: Date.now(),
      });
    });
  }

  /** The latest transfers of a user. */
  list(user: User): Promise<TransferAnswer[]> {
    return this.#find(user, [{ payerId: user.id }, { payeeId: user.id }]);
  }

  /**
   * The transfer that a user has made by a confirmation, if there is one. A page that asks whether it has paid must not read that from
   * the latest transfers: others can send the customer so many that its own is no longer among them.
   */
  madeBy(user: User, confirmationId: string): Promise<TransferAnswer[]> {
    return this.#find(user, [{ payerId: user.id, confirmationId }]);
  }

  async #find({ id }: User, where: FindOptionsWhere<Transfer>[]): Promise<TransferAnswer[]> {
    const transfers = await this.dataSource.manager.find(Transfer, {
      where,
      relations: { payer: true, payee: true },
      order: { createdAt: 'DESC' },
      take: PAGE,
    });
    return transfers.map((transfer) => {
      const isOut = transfer.payerId === id;
      return {
        id: transfer.id,
        createdAt: new Date(transfer.createdAt).toISOString(),
        direction: isOut ? 'out' : 'in',
        counterparty: isOut ? transfer.payee.email : transfer.payer.email,
        amount: fromCents(transfer.amountCents),
        ...(isOut && { confirmationId: transfer.confirmationId }),
      };
    });
  }
}

/** Checks and takes in one statement: two transfers at once cannot spend the same money. */
async function withdraw(manager: EntityManager, id: string, cents: number): Promise<void> {
  const { affected } = await manager.decrement(
    User,
    { id, balanceCents: MoreThanOrEqual(cents) },
    'balanceCents',
    cents,
  );
  if (affected !== 1) throw new Refusal(422, 'not-enough-money', 'There is not enough money.');
}

async function deposit(manager: EntityManager, id: string, cents: number): Promise<void> {
  const { affected } = await manager.increment(User, { id }, 'balanceCents', cents);
  if (affected !== 1) throw noSuchPayee();
}

function noSuchPayee(): Refusal {
  return new Refusal(422, 'no-such-payee', 'There is no such payee.');
}
