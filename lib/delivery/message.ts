import type {
  ConfirmationRow,
  ConfirmationState,
  QueuedMessage,
  SendContext,
} from '../confirmation/index.js';
import type { EnvelopeContent } from '../crypto/index.js';
import type { ResolvedSender } from '../sender/index.js';

/** The content of an envelope of a confirmation that is bound to a phone number or address, and to a sender. */
export interface AddressedContent extends EnvelopeContent {
  readonly token: string;
  readonly way: string;
  readonly context?: SendContext | undefined;
}

/** A message that is recorded as sent and not delivered yet. It holds the clear code: keep it in memory only. */
export interface RecordedMessage {
  /** The state that the caller receives. Its members have the values of `row`. */
  readonly state: ConfirmationState;
  /** The row as the recording statement has left it. */
  readonly row: ConfirmationRow;
  readonly content: AddressedContent;
  readonly sender: ResolvedSender;
  /** The row in the queue that was written with this message; `null` for none. */
  readonly queued: QueuedMessage | null;
}
