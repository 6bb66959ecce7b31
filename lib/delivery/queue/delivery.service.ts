import { Inject, Injectable } from '@nestjs/common';

import {
  ConfirmerService,
  stateRow,
  statusOf,
  type ConfirmationReference,
} from '../../confirmation/index.js';
import { expectInput, inputMembers, TwoFactorInputError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../../two-factor.tokens.js';
import type { DeliveryKey, DeliveryRelay } from './delivery-relay.js';
import { DeliveryStore } from './delivery.store.js';
import { DeliveryWorker } from './delivery-worker.js';

/** The input of `DeliveryService.sweep`. */
export interface SweepInput {
  /** The most messages that this call sends, 1 to 100,000. @default 1000 */
  readonly limit?: number | undefined;
  /** When it is aborted, no further message is sent. The call waits for the messages that are being sent. */
  readonly signal?: AbortSignal | undefined;
}

/** Whether the newest message of a confirmation is queued, sent or failed. */
export type DeliveryStatus =
  | { readonly delivery: 'queued' | 'sent' }
  | {
      readonly delivery: 'failed';
      readonly deliveryError: 'recipient-not-allowed' | 'send-failed' | 'too-many-requests';
    };

const SWEEP_MEMBERS = inputMembers<SweepInput>({ limit: true, signal: true });
const DEFAULT_LIMIT = 1_000;
const MAX_LIMIT = 100_000;

/**
 * The queue of messages of `delivery: 'queued'`.
 *
 * @publicApi
 */
@Injectable()
export class DeliveryService {
  /** @internal It is injected. */
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly worker: DeliveryWorker,
    @Inject(DeliveryStore) private readonly store: DeliveryStore | null,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Sends the messages that are due, in one round: for a cron job, a queue of the application, a serverless function or a test.
   * The worker of the module does it by itself unless `worker` is false. With `delivery: 'inline'` nothing is ever due. Messages
   * that `nestjs-two-factor/bullmq` passes to other workers are not claimed here, and not counted.
   *
   * @returns how many messages this round has claimed, whatever became of them.
   * @throws TwoFactorInputError for a malformed limit or signal, TwoFactorUnavailableError when the database does not answer.
   * @example
   * ```ts
   * const claimed = await deliveries.sweep({ limit: 100, signal: AbortSignal.timeout(20_000) });
   * ```
   */
  async sweep(input: SweepInput = {}): Promise<number> {
    expectInput('sweep', input, SWEEP_MEMBERS);
    const { limit = DEFAULT_LIMIT, signal } = input;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new TwoFactorInputError(`limit is a whole number from 1 to ${MAX_LIMIT}.`);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TwoFactorInputError('signal is not an AbortSignal.');
    }
    return this.worker.round(limit, signal);
  }

  /**
   * Where the newest message of a pending confirmation is: waiting for a provider (`queued`), accepted by one (`sent`), or given
   * up (`failed`).
   *
   * @returns `null` with `delivery: 'inline'`, for an unknown confirmation, one that is not pending, and one without a message.
   * @throws TwoFactorInputError for a malformed id.
   */
  async status(confirmation: ConfirmationReference): Promise<DeliveryStatus | null> {
    const { store } = this;
    if (store === null) return null;
    const [state] = await this.confirmer.check(confirmation);
    return state === null ? null : this.statusOf(state);
  }

  /**
   * How long the oldest message has been due that waits for a worker, in seconds: 0 when none waits. A message that is being
   * sent, and one that is repeated later, is not due. An age that grows says that no worker runs, or that they are too slow.
   *
   * @returns `null` with `delivery: 'inline'`.
   * @throws TwoFactorUnavailableError when the database does not answer.
   * @example
   * ```ts
   * const seconds = await deliveries.queueAge();
   * if (seconds !== null && seconds > 60) alarm(`Messages have waited for ${seconds} seconds.`);
   * ```
   */
  async queueAge(): Promise<number | null> {
    if (this.store === null) return null;
    // The oldest of each sender and class, of which the first is the oldest of all.
    const [oldest] = await this.store.due([...this.backends.keys()], 1);
    if (oldest === undefined || oldest.dueAt === null) return 0;
    return Math.max(0, (this.options.clock.now() - oldest.dueAt) / 1_000);
  }

  /**
   * Connects a relay, when the application starts.
   *
   * @internal
   */
  relayTo(relay: DeliveryRelay): void {
    this.worker.relayTo(relay);
  }

  /**
   * The messages that this instance sends at once for a relay; `null` where no worker is to run.
   *
   * @internal
   */
  get concurrency(): number | null {
    return this.worker.isEnabled ? this.worker.concurrency : null;
  }

  /**
   * Sends the message of a key, if it is due.
   *
   * @param waitMs the longest wait for a free slot, in milliseconds.
   * @returns false when there was no slot, so that the message waits for a round.
   * @internal
   */
  async deliver(key: DeliveryKey, waitMs: number): Promise<boolean> {
    return this.worker.deliver(key, waitMs);
  }

  /**
   * As `status`, of a state that was just read.
   *
   * @internal
   */
  async statusOf(state: Parameters<typeof stateRow>[0]): Promise<DeliveryStatus | null> {
    const row = stateRow(state);
    const isSent = row.sends > 0 && statusOf(row, this.options.clock.now()) === 'pending';
    if (this.store === null || !isSent) return null;
    const queued = await this.store.find(row.id, row.sends);
    if (queued === null) return { delivery: 'sent' };
    if (queued.dueAt !== null) return { delivery: 'queued' };
    return { delivery: 'failed', deliveryError: errorOf(queued.reason) };
  }
}

function errorOf(
  reason: string | null,
): Extract<DeliveryStatus, { delivery: 'failed' }>['deliveryError'] {
  return reason === 'recipient-not-allowed' || reason === 'too-many-requests'
    ? reason
    : 'send-failed';
}
