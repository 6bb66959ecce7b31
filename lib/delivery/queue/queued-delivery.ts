import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  scopeOfContent,
  type ConfirmationRow,
  type QueuedMessage,
} from '../../confirmation/index.js';
import { AfterCommit } from '../../database/index.js';
import { messageClassOf } from '../../limits/index.js';
import type { LimitClass, ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import type { DeliveryQueue, DeliveryReceipt } from '../delivery-queue.js';
import type { RecordedMessage } from '../message.js';
import { isBoundOf } from './delivery-statements.js';
import { DeliveryStore, leaseMs } from './delivery.store.js';
import { DeliveryWorker } from './delivery-worker.js';

/**
 * Stores each message in the transaction of its confirmation, and lets a worker send it after the commit. A rollback sends
 * nothing, and what was committed is sent also if the process dies.
 */
@Injectable()
export class QueuedDelivery implements DeliveryQueue {
  constructor(
    private readonly store: DeliveryStore,
    private readonly worker: DeliveryWorker,
    private readonly afterCommit: AfterCommit,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  admit(way: string, limitClass: LimitClass, manager?: EntityManager): QueuedMessage {
    const now = this.options.clock.now();
    // In a transaction of the application no budget is charged, because its rows would stay locked for all other callers until
    // the commit. And how long that takes is unknown, so that no worker holds the message before it.
    const isBound = isBoundOf(limitClass);
    if (manager !== undefined) return { dueAt: now, claims: 0, isCharged: 0, isBound };
    if (!this.worker.hasRoom(way, limitClass)) {
      return { dueAt: now, claims: 0, isCharged: 1, isBound };
    }
    return { dueAt: now + leaseMs(this.options), claims: 1, isCharged: 0, isBound };
  }

  enqueue(message: RecordedMessage, manager?: EntityManager): Promise<DeliveryReceipt> {
    const { row, content, queued } = message;
    const { claims, dueAt, isCharged } = queued!;
    const key = { confirmation: row.id, number: row.sends, claims, tries: 0 };
    const limitClass = messageClassOf(this.options, scopeOfContent(row, content));
    if (claims === 0) {
      const { name } = message.sender;
      this.afterCommit.run(manager, () =>
        this.worker.wake(name, { ...key, isCharged }, limitClass),
      );
    } else {
      // The statement that wrote the message has charged its budgets for this call.
      const claim = { ...key, isCharged: true, leaseEndsAt: dueAt };
      this.worker.handOver(claim, { message, handedAt: performance.now() }, limitClass);
    }
    return Promise.resolve({ error: null });
  }

  async nextTryOf({ id, sends }: ConfirmationRow): Promise<number | null> {
    return (await this.store.find(id, sends))?.dueAt ?? null;
  }
}
