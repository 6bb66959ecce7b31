import type { SqlValues } from '../../database/index.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { queuedValues, type QueuedMessage } from './dialects/queue-clauses.js';

export interface UseValues {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** One candidate for each key of the ring. */
  readonly detailsMacs: readonly string[];
  readonly useKey: string | null;
  /** The senders by one of which the code must have gone out; `null` for any. */
  readonly ways: readonly string[] | null;
  /** The methods one of which must have confirmed it; `null` for any. */
  readonly confirmedBy: readonly string[] | null;
  /** The methods that send nothing, and so may have confirmed it although `ways` restricts the senders. */
  readonly methodsWithoutSender: readonly string[];
}

export interface MessageValues {
  readonly way: string;
  readonly envelope: string;
  readonly codeMac: string;
  readonly failureKeys: string | null;
  readonly maxSends: number;
  /** How long ago the last message must have gone out; 0 for a message that need not wait. */
  readonly cooldownMs: number;
}

/**
 * The values of the statement that records a message.
 *
 * @param seen the row as it was read before. The statement records the message only where no other message was recorded since.
 * @param now the time of the statement, in epoch milliseconds.
 */
export function recordedValues(
  { id, sends: seenSends, createdAt: seenCreatedAt }: ConfirmationRow,
  { cooldownMs, ...message }: MessageValues,
  now: number,
  queued: QueuedMessage | null,
): SqlValues {
  const sentBefore = cooldownMs === 0 ? Number.MAX_SAFE_INTEGER : now - cooldownMs;
  const row = queued && queuedValues(queued);
  return { id, seenSends, seenCreatedAt, ...message, now, sentBefore, ...row };
}
