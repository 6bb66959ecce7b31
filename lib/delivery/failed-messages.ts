import { Injectable } from '@nestjs/common';

import {
  ConfirmerService,
  EventPublisher,
  PrefixWatch,
  type ConfirmationRow,
} from '../confirmation/index.js';
import type { BackendFailure } from './backend-caller.js';

/** What follows when a message is not sent, and no further try of it will be made. */
@Injectable()
export class FailedMessages {
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly publisher: EventPublisher,
    private readonly prefixes: PrefixWatch,
  ) {}

  /** A message that was counted when it was requested, and for which no provider was called. */
  handleUnsent(row: ConfirmationRow): void {
    this.prefixes.failed(row);
  }

  async handleFinalFailure(
    row: ConfirmationRow,
    { kind, mayHaveArrived }: BackendFailure,
  ): Promise<void> {
    const isPermanent = kind === 'recipient';
    this.publisher.sendFailed(row, isPermanent);
    if (!mayHaveArrived) this.prefixes.failed(row);
    // A confirmation whose only message cannot arrive is never confirmed. Its pending slot is freed, because the next
    // request of the subject may name a better address.
    if (isPermanent && row.sends === 1) await this.confirmer.releasePendingSlot(row);
  }
}
