import type { LimitClass } from '../../options/index.js';
import type { DeliveryRow } from './delivery.store.js';

/** The key of a message in the queue. It tells nothing about the person or the code. */
export type DeliveryKey = Pick<DeliveryRow, 'confirmation' | 'number'>;

/** A key, and the class that decides what its message waits behind. */
export interface ClassifiedKey extends DeliveryKey {
  readonly limitClass: LimitClass;
}

/**
 * Passes the keys of due messages to workers of other machines. The row of a message stays the truth: a relay may lose a key,
 * repeat it or pass it on late, and the message is sent once all the same.
 */
export interface DeliveryRelay {
  /** The senders whose messages it takes. */
  readonly ways: ReadonlySet<string>;

  /** Takes a message whose transaction has committed. It returns at once and never throws, because the request does not wait for it. */
  enqueue(way: string, key: ClassifiedKey): void;

  /**
   * Takes messages of one sender that a round has found, the oldest first, also those that it has taken before.
   *
   * @returns false when it cannot: then the caller sends the messages of this sender itself. It never throws.
   */
  enqueueDue(way: string, keys: readonly ClassifiedKey[]): Promise<boolean>;

  /**
   * Waits until this instance may send the next message itself, because `enqueueDue` returned false. The relay's queue does not limit the
   * rate of such messages, so this does.
   *
   * @returns false when the signal is aborted before.
   */
  pace(way: string, signal: AbortSignal): Promise<boolean>;
}
