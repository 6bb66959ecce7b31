import type { EntityManager } from 'typeorm';

import type { RecordedMessage } from './message.js';

/** What became of a message. */
export interface DeliveryReceipt {
  /** Why the message was not delivered, without the code and the token; `null` when the provider accepted it. */
  readonly error: Error | null;
}

/** Takes messages that are recorded as sent. Every message of the module passes through it. */
export interface DeliveryQueue {
  /**
   * @param manager The caller's transaction, in which the message is stored.
   * @throws TwoFactorInputError for a manager, when the queue does not store messages.
   */
  enqueue(message: RecordedMessage, manager?: EntityManager): Promise<DeliveryReceipt>;
}

/** The provider of the `DeliveryQueue`. */
export const DELIVERY_QUEUE = Symbol.for('nestjs-two-factor:delivery-queue');
