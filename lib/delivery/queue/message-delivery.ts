import { setTimeout as sleep } from 'node:timers/promises';

import { Inject, Injectable, Logger } from '@nestjs/common';

import {
  ConfirmationStore,
  ConfirmerService,
  EventPublisher,
  QuotaScopeResolver,
  scopeOfContent,
  statusOf,
  type ConfirmationRow,
  type DeliveryDropReason,
} from '../../confirmation/index.js';
import { openEnvelope, shortId } from '../../crypto/index.js';
import {
  messageAndCauseOf,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
} from '../../errors/index.js';
import { QuotaLedger, type QuotaReceipt } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../../two-factor.tokens.js';
import { BackendCaller, type BackendFailure } from '../backend-caller.js';
import { FailedMessages } from '../failed-messages.js';
import type { AddressedContent, RecordedMessage } from '../message.js';
import type { DeliveryFailureReason } from './delivery-record.entity.js';
import { DeliveryStore, type Claim } from './delivery.store.js';
import { latestSendTime, MAX_TRIES, nextTryAfterLimit, retryPauseMs } from './retry.js';

/** A row that was written less than this ago need not be read again before its message is sent. */
const FRESH_MS = 1_000;
/**
 * How long a message waits that this instance cannot send, because it lacks the secret or the sender. By then an instance that has
 * them may have started.
 */
const GIVE_BACK_MS = 5_000;
/**
 * The pauses before repeats of the write that records a message as sent. If it is lost, another worker sends the message again.
 */
const REPEAT_WRITE_MS = [100, 1_000];

/** A message that this instance has recorded itself. */
export interface HandedMessage {
  readonly message: RecordedMessage;
  /** When it was handed over, in milliseconds of `performance.now()`. */
  readonly handedAt: number;
}

/**
 * Sends one message that a worker holds, and writes what became of it. Every write is fenced by the claim: after the lease has
 * ended, another worker may hold the message, and nothing is written over its work.
 */
@Injectable()
export class MessageDelivery {
  readonly #logger = new Logger('DeliveryService');

  constructor(
    private readonly store: DeliveryStore,
    private readonly confirmations: ConfirmationStore,
    private readonly confirmer: ConfirmerService,
    private readonly backend: BackendCaller,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    private readonly failed: FailedMessages,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Never throws. When the outcome cannot be written, the message stays in the queue, and the worker that claims the message after the
   * lease delivers the message again.
   *
   * @param handed the message, when this instance has recorded the message itself; `null` otherwise.
   */
  async deliver(claim: Claim, handed: HandedMessage | null): Promise<void> {
    try {
      if (this.#wouldOutlast(claim)) {
        await this.giveBack(claim);
        return;
      }
      const isFresh = handed !== null && performance.now() - handed.handedAt < FRESH_MS;
      const message = isFresh ? handed.message : await this.#loadMessage(claim);
      if (message !== null) await this.#send(claim, message);
    } catch (error) {
      this.#logger.warn(
        `The message ${nameOf(claim)} stays in the queue: ${messageAndCauseOf(error)}`,
      );
    }
  }

  /** Lets any worker send a message that was claimed and not begun. */
  async giveBack(claim: Claim, afterMs = 0): Promise<void> {
    try {
      await this.store.reschedule(claim, this.options.clock.now() + afterMs, claim);
    } catch (error) {
      this.#logger.warn(
        `The message ${nameOf(claim)} waits for the end of its lease: ${messageAndCauseOf(error)}`,
      );
    }
  }

  /**
   * Reads and decrypts a claimed message; `null` when it is no longer needed, or this instance lacks its secret or its sender.
   */
  async #loadMessage(claim: Claim): Promise<RecordedMessage | null> {
    const row = await this.confirmations.find(claim.confirmation);
    if (row === null) {
      await this.store.remove(claim);
      return null;
    }
    const now = this.options.clock.now();
    const reason = dropReason(row, claim, now);
    if (reason !== null) {
      if (await this.store.remove(claim)) this.#dropped(row, claim, reason);
      return null;
    }
    if (now > latestSendTime(row)) {
      await this.#fail(claim, row, 'expired', claim.tries, () => this.#uncountUnsent(row, claim));
      return null;
    }
    const content =
      row.envelope === null ? null : openEnvelope(this.options.keyRing, row.envelope, row);
    const sender = content?.way === undefined ? undefined : this.backends.get(content.way);
    if (content?.token === undefined || sender === undefined) {
      // While secrets or senders change, another instance has them already, or still.
      this.#logger.warn(
        `The message ${nameOf(claim)} is left to another instance: this one lacks its secret or its sender.`,
      );
      await this.giveBack(claim, GIVE_BACK_MS);
      return null;
    }
    const state = this.confirmer.stateOf(row);
    return { state, row, content: content as AddressedContent, sender, queued: null };
  }

  async #send(claim: Claim, message: RecordedMessage): Promise<void> {
    const receipt = claim.isCharged ? null : await this.#charge(claim, message);
    if (receipt === 'refused') return;
    if (this.#wouldOutlast(claim)) {
      if (receipt) await this.ledger.refundMessage(receipt);
      await this.giveBack(claim);
      return;
    }
    const failure = await this.backend.call(message);
    if (failure === null) await this.#recordSent(claim);
    else await this.#retryOrFail(claim, message, failure);
  }

  /**
   * If the call could outlast the lease, the message is given back with its charge, because another worker could send it at the same
   * time.
   */
  #wouldOutlast({ leaseEndsAt }: Claim): boolean {
    const { clock, sendTimeoutMs } = this.options;
    return clock.now() + sendTimeoutMs > leaseEndsAt;
  }

  async #recordSent(claim: Claim): Promise<void> {
    for (const pauseMs of REPEAT_WRITE_MS) {
      try {
        await this.store.remove(claim);
        return;
      } catch {
        await sleep(pauseMs);
      }
    }
    await this.store.remove(claim);
  }

  async #retryOrFail(
    claim: Claim,
    { row }: RecordedMessage,
    failure: BackendFailure,
  ): Promise<void> {
    const { kind, retryAfterSeconds, mayHaveArrived } = failure;
    const tries = claim.tries + 1;
    const dueAt = this.options.clock.now() + retryPauseMs(tries, (retryAfterSeconds ?? 0) * 1_000);
    const isFinal = kind === 'recipient' || kind === 'configuration';
    if (isFinal || tries >= MAX_TRIES || dueAt > latestSendTime(row)) {
      const reason = kind === 'recipient' ? 'recipient-not-allowed' : 'send-failed';
      // Only when it is given up: while tries are left, the one charge stands for the next call, and the message is counted once.
      await this.#fail(claim, row, reason, tries, () =>
        this.failed.handleFinalFailure(row, failure),
      );
      return;
    }
    this.publisher.sendFailed(row, false);
    // A message that may arrive all the same is paid for: the next call is charged again.
    await this.store.reschedule(claim, dueAt, { tries, isCharged: !mayHaveArrived });
  }

  /** Charges the budgets of a message. Outside of any transaction: their rows would stay locked for all other callers. */
  async #charge(
    claim: Claim,
    { row, content }: RecordedMessage,
  ): Promise<QuotaReceipt | 'refused'> {
    const scope = scopeOfContent(row, content);
    const { way, requester } = content;
    try {
      return await this.ledger.consumeForRequest({ ...scope, sends: { way, requester } });
    } catch (error) {
      const waitSeconds = limitWaitSeconds(error);
      if (waitSeconds === undefined) throw error;
      this.publisher.sendBlocked(error, { id: row.id, way }, this.scopes.scopeOf(row));
      const dueAt = nextTryAfterLimit(row, this.options.clock.now(), waitSeconds);
      if (dueAt === null) await this.#fail(claim, row, 'too-many-requests', claim.tries);
      else await this.store.reschedule(claim, dueAt, claim);
      return 'refused';
    }
  }

  /** @param first runs before the event `delivery-failed`, unless another worker holds the message by now. */
  async #fail(
    claim: Claim,
    row: ConfirmationRow,
    reason: DeliveryFailureReason,
    tries: number,
    first: () => Promise<void> | void = () => undefined,
  ): Promise<void> {
    if (!(await this.store.fail(claim, reason, tries))) return;
    this.#logger.warn(`The message ${nameOf(claim)} was given up after ${tries} calls: ${reason}.`);
    try {
      await first();
    } finally {
      this.publisher.deliveryFailed(row, reason);
    }
  }

  /** A charge that the claim still holds is for a call that was never made. */
  #uncountUnsent(row: ConfirmationRow, { isCharged }: Claim): void {
    if (isCharged) this.failed.handleUnsent(row);
  }

  #dropped(row: ConfirmationRow, claim: Claim, reason: DeliveryDropReason): void {
    this.#uncountUnsent(row, claim);
    this.#logger.debug(`The message ${nameOf(claim)} was dropped: ${reason}.`);
    this.publisher.deliveryDropped(row, claim.number, reason);
  }
}

/** Why a message is not needed any more; `null` for one that is to be sent. */
function dropReason(row: ConfirmationRow, claim: Claim, now: number): DeliveryDropReason | null {
  switch (statusOf(row, now)) {
    case 'pending':
      return row.sends === claim.number ? null : 'superseded';
    case 'confirmed':
    case 'used':
      return 'confirmed';
    case 'cancelled':
      return 'cancelled';
    case 'locked':
      return 'locked';
    case 'expired':
      return row.confirmedAt === null ? 'expired' : 'confirmed';
    default:
      return null;
  }
}

/** How long a limit refuses, in seconds, `null` for ever; `undefined` for another error. */
function limitWaitSeconds(error: unknown): number | null | undefined {
  const isLimit =
    error instanceof TwoFactorTooManyRequestsError ||
    (error instanceof TwoFactorUnavailableError && error.limit !== null);
  return isLimit ? error.retryAfterSeconds : undefined;
}

/** Names a message in the log: enough to find its confirmation, not enough to use it. */
function nameOf({ confirmation, number }: Claim): string {
  return `${number} of confirmation ${shortId(confirmation)}`;
}
