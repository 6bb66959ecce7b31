import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  ConfirmationStore,
  ConfirmerService,
  EventPublisher,
  refreshState,
  stateRow,
  type ConfirmationState,
} from '../confirmation/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorRecipientError,
  TwoFactorSendError,
} from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { BackendCaller, type BackendFailure } from './backend-caller.js';
import { cooldownMs, resendAt } from './cooldown.js';
import type { DeliveryQueue, DeliveryReceipt } from './delivery-queue.js';
import type { RecordedMessage } from './message.js';

/** The longest pause after a first message that failed. The usual first pause is made for messages that arrive. */
const EARLY_RETRY_MS = 5_000;

/** Delivers each message at once, while the caller waits, and stores nothing for later. */
@Injectable()
export class DirectDelivery implements DeliveryQueue {
  constructor(
    private readonly backend: BackendCaller,
    private readonly confirmer: ConfirmerService,
    private readonly store: ConfirmationStore,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  async enqueue(message: RecordedMessage, manager?: EntityManager): Promise<DeliveryReceipt> {
    // A provider takes part in no transaction: a rollback could not undo the message.
    if (manager !== undefined) {
      throw new TwoFactorInputError(
        'A message cannot be delivered inside of a transaction. Send it after the commit.',
      );
    }
    const { row } = message;
    const failure = await this.backend.call(message);
    if (failure === null) {
      this.publisher.sent(row);
      return { error: null };
    }
    const isPermanent = failure.kind === 'recipient';
    this.publisher.sendFailed(row, isPermanent);
    // A confirmation whose only message cannot arrive is never confirmed. Its pending slot is freed, because the next
    // request of the subject may name a better address.
    if (isPermanent && row.sends === 1) await this.confirmer.releasePendingSlot(row);
    return { error: await this.#errorOf(failure, message) };
  }

  async #errorOf(
    { kind, reason }: BackendFailure,
    { sender, state }: RecordedMessage,
  ): Promise<Error> {
    switch (kind) {
      case 'recipient':
        return new TwoFactorRecipientError(reason);
      case 'configuration':
        return new TwoFactorConfigurationError(reason);
      case 'temporary':
        return new TwoFactorSendError(
          `Sender ${sender.name} did not deliver the code. It can be resent.`,
          state.id,
          await this.#retryAt(state),
          { cause: new Error(reason) },
        );
      default:
        return kind satisfies never;
    }
  }

  /** When the message may be sent again: soon after a first failure, and after the usual pause when failures continue. */
  async #retryAt(state: ConfirmationState): Promise<Date> {
    const row = stateRow(state);
    const now = this.options.clock.now();
    const pause = cooldownMs(row.sends, this.options);
    if (row.sends > 1 || pause <= EARLY_RETRY_MS) return new Date(resendAt(row, now, this.options));
    try {
      const lastSentAt = now + EARLY_RETRY_MS - pause;
      await this.store.retrySooner(row, lastSentAt);
      refreshState(state, { ...row, lastSentAt });
      return new Date(now + EARLY_RETRY_MS);
    } catch {
      // The database failed as well. The caller still learns that the provider failed, and the usual pause holds.
      return new Date(resendAt(row, now, this.options));
    }
  }
}
