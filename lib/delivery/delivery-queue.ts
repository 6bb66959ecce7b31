import type { EntityManager } from 'typeorm';

import type { ConfirmationRow, QueuedMessage } from '../confirmation/index.js';
import type { LimitClass } from '../options/index.js';
import type { RecordedMessage } from './message.js';

/** What became of a message. */
export interface DeliveryReceipt {
  /**
   * Why the message was not delivered, without the code and the phone number or address; `null` when it was accepted, or waits in
   * the queue.
   */
  readonly error: Error | null;
}

/** Takes messages that are recorded as sent. Every message of the module passes through it. */
export interface DeliveryQueue {
  /**
   * The row that is to be written with a message, in the transaction of its confirmation; `null` for a queue that stores no
   * messages.
   *
   * @param way The name of the sender; empty where none is known.
   * @param limitClass The class of the message, which decides whom it waits behind.
   * @param manager The caller's transaction, in which the message is stored.
   * @throws TwoFactorInputError for a manager, when the queue does not store messages.
   */
  admit(way: string, limitClass: LimitClass, manager?: EntityManager): QueuedMessage | null;

  /** @throws TwoFactorInputError as `admit`. */
  enqueue(message: RecordedMessage, manager?: EntityManager): Promise<DeliveryReceipt>;

  /** When the newest message of a confirmation is tried next, in epoch milliseconds; `null` when it does not wait. */
  nextTryOf(row: ConfirmationRow): Promise<number | null>;
}

/** The provider of the `DeliveryQueue`. */
export const DELIVERY_QUEUE = Symbol.for('nestjs-two-factor:delivery-queue');
