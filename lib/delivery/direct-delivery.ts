import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  ConfirmationStore,
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
import type { LimitClass, ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { BackendCaller, type BackendFailure } from './backend-caller.js';
import { cooldownMs, resendAt } from './cooldown.js';
import type { DeliveryQueue, DeliveryReceipt } from './delivery-queue.js';
import { FailedMessages } from './failed-messages.js';
import type { RecordedMessage } from './message.js';

/** The pause after a first message that failed, unless its provider asks for a longer one. The usual first pause is made for messages that arrive. */
const EARLY_RETRY_MS = 5_000;

/** Delivers each message immediately, while the caller waits, and stores nothing for later. */
@Injectable()
export class DirectDelivery implements DeliveryQueue {
  constructor(
    private readonly backend: BackendCaller,
    private readonly failed: FailedMessages,
    private readonly store: ConfirmationStore,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  admit(_way: string, _limitClass: LimitClass, manager?: EntityManager): null {
    if (manager === undefined) return null;
    // A rollback of the manager's transaction could not undo a message that a provider has accepted.
    throw new TwoFactorInputError(
      "A message cannot be delivered inside of a transaction. Send it after the commit, or set delivery: 'queued'.",
    );
  }

  nextTryOf(): Promise<null> {
    return Promise.resolve(null);
  }

  async enqueue(message: RecordedMessage, manager?: EntityManager): Promise<DeliveryReceipt> {
    this.admit('', 'open', manager);
    const failure = await this.backend.call(message);
    if (failure === null) return { error: null };
    await this.failed.handleFinalFailure(message.row, failure);
    return { error: await this.#errorOf(failure, message) };
  }

  async #errorOf(
    { kind, reason, retryAfterSeconds }: BackendFailure,
    { sender, state }: RecordedMessage,
  ): Promise<Error> {
    switch (kind) {
      case 'recipient':
        return new TwoFactorRecipientError(reason);
      case 'configuration':
        return new TwoFactorConfigurationError(reason);
      case 'rate-limited':
      case 'temporary':
        return new TwoFactorSendError(
          `Sender ${sender.name} did not deliver the code. It can be resent.`,
          state.id,
          await this.#retryAt(state, retryAfterSeconds),
          { cause: new Error(reason) },
        );
      default:
        return kind satisfies never;
    }
  }

  /**
   * When the message may be sent again: soon after a first failure, and after the usual pause when failures continue. A provider
   * that asks for a longer wait gets it, up to the usual pause.
   */
  async #retryAt(state: ConfirmationState, retryAfterSeconds: number | null): Promise<Date> {
    const row = stateRow(state);
    const now = this.options.clock.now();
    const pause = cooldownMs(row.sends, this.options);
    const earlyMs = Math.max(EARLY_RETRY_MS, (retryAfterSeconds ?? 0) * 1_000);
    if (row.sends > 1 || pause <= earlyMs) return new Date(resendAt(row, now, this.options));
    try {
      const lastSentAt = now + earlyMs - pause;
      await this.store.retrySooner(row, lastSentAt);
      refreshState(state, { ...row, lastSentAt });
      return new Date(now + earlyMs);
    } catch {
      // The database failed as well. The caller still learns that the provider failed, and the usual pause holds.
      return new Date(resendAt(row, now, this.options));
    }
  }
}
