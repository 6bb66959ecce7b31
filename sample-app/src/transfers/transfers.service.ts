import { randomUUID } from 'node:crypto';

import { Injectable, UnprocessableEntityException } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { ConfirmationProof } from 'nestjs-two-factor';
import { DataSource, MoreThanOrEqual, type EntityManager } from 'typeorm';

import { User } from '../accounts/user.entity.js';
import { fromCents, toCents } from './money.js';
import { Transfer } from './transfer.entity.js';
import type { TransferAnswer, TransferBody } from './transfers.dto.js';

const PAGE = 20;

@Injectable()
export class TransfersService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** Spends the proof and moves the money, both or neither. */
  async transfer(payer: User, body: TransferBody, proof: ConfirmationProof): Promise<void> {
    const amountCents = toCents(body.amount);
    const payee = await this.dataSource.manager.findOneBy(User, {
      email: body.payee.toLowerCase(),
    });
    if (payee === null) throw new UnprocessableEntityException('There is no such payee.');
    if (payee.id === payer.id) throw new UnprocessableEntityException('That is your own account.');
    if (amountCents === 0) throw new UnprocessableEntityException('Nothing is no amount.');

    // On SQLite the whole application shares one connection: nothing in here waits for anything but the database.
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      const moves = [
        { id: payer.id, move: () => withdraw(manager, payer.id, amountCents) },
        { id: payee.id, move: () => deposit(manager, payee.id, amountCents) },
      ];
      // In the order of the rows, so that two opposite transfers never wait for each other.
      for (const { move } of moves.toSorted((a, b) => (a.id < b.id ? -1 : 1))) await move();
      // Last: its foreign keys share the rows of both users, and MariaDB cannot turn a shared lock into two own ones.
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
  async list({ id }: User): Promise<TransferAnswer[]> {
    const transfers = await this.dataSource.manager.find(Transfer, {
      where: [{ payerId: id }, { payeeId: id }],
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
  if (affected !== 1) throw new UnprocessableEntityException('There is not enough money.');
}

async function deposit(manager: EntityManager, id: string, cents: number): Promise<void> {
  const { affected } = await manager.increment(User, { id }, 'balanceCents', cents);
  if (affected !== 1) throw new UnprocessableEntityException('There is no such payee.');
}
