import type { ConfirmationRow, ConfirmationState, SendContext } from '../confirmation/index.js';
import type { EnvelopeContent } from '../crypto/index.js';
import type { ResolvedSender } from '../sender/index.js';

/** The content of an envelope that has a token and a sender. */
export interface AddressedContent extends EnvelopeContent {
  readonly token: string;
  readonly way: string;
  readonly context?: SendContext | undefined;
}

/** A message that is recorded as sent and not delivered yet. It holds the clear code: keep it in memory only. */
export interface RecordedMessage {
  /** The state that the caller receives; it shows `row`. */
  readonly state: ConfirmationState;
  /** The row as the recording statement has left it. */
  readonly row: ConfirmationRow;
  readonly content: AddressedContent;
  readonly sender: ResolvedSender;
}
