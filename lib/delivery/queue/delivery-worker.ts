import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import { messageAndCauseOf } from '../../errors/index.js';
import { DEFAULTS, type LimitClass, type ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../../two-factor.tokens.js';
import type { DeliveryKey, DeliveryRelay } from './delivery-relay.js';
import { DeliveryStore, type Claim, type ClaimableRow } from './delivery.store.js';
import { DueMessages } from './due-messages.js';
import { MessageDelivery, type HandedMessage } from './message-delivery.js';
import { Slots } from './slots.js';

/** How many messages for each slot wait in memory. What is beyond waits in the table, where any instance finds it. */
const WAITING_FOR_EACH_SLOT = 16;
/** At most this many due messages of a sender are passed to a relay in one round. The relay ignores those that it has already. */
const RELAY_BATCH_SIZE = 512;
/** A round that sends for a relay at the rate of a provider ends after this time. The next round asks the relay again. */
const PACED_ROUND_MS = 5_000;
const JITTER = 0.2;

interface Source {
  readonly due: DueMessages;
  readonly slots: Slots;
  /** Waits until the next message of this source may be sent; false when this round is to send no more. Absent: immediately. */
  readonly pace?: () => Promise<boolean>;
}

interface Round {
  readonly limit: number;
  readonly signal: AbortSignal;
  claimed: number;
}

/** The limits of one round of a worker: how many messages it sends, and the signal that ends it. */
export interface RoundLimits {
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends the queued messages: those that this instance has written, right after their commit, and in rounds those that are due
 * because a try failed, a process died or a commit was not noticed. At most `concurrency` messages of each sender are sent at
 * once: a provider that does not answer holds up its own messages, and not those of the other senders. While all of them are of
 * the class `open`, one `bound` message is sent beside them: strangers choose the recipients of the class `open`, and a provider
 * may be slow for those.
 */
@Injectable()
export class DeliveryWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger('DeliveryService');
  readonly #slots = new Map<string, Slots>();
  readonly #concurrency: number;
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #relay: DeliveryRelay | null = null;
  /** The senders for which this instance looks for due messages now. */
  readonly #looking = new Set<string>();

  constructor(
    @Inject(DeliveryStore) private readonly store: DeliveryStore | null,
    private readonly delivery: MessageDelivery,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#concurrency = (options.worker || DEFAULTS.worker).concurrency;
  }

  onApplicationBootstrap(): void {
    if (this.#isRunning) this.#schedule();
  }

  /**
   * Claims nothing more, waits for the messages that are being sent, each of them up to `sendTimeoutMs`, and gives the others
   * back.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    for (const slots of this.#slots.values()) slots.close();
    await Promise.allSettled(this.#running);
  }

  /** Whether this instance sends messages on its own: there is a queue, and the option `worker` is not false. */
  get isEnabled(): boolean {
    return this.store !== null && this.options.worker !== false;
  }

  /** How many messages of each sender this worker sends concurrently. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Passes the messages of some senders to workers of other machines from now on. */
  relayTo(relay: DeliveryRelay): void {
    this.#relay = relay;
  }

  /** Whether a message may be written as claimed by this instance, which then sends it without another statement. */
  hasRoom(way: string, limitClass: LimitClass): boolean {
    // The machine that sends a message of a relay is not known when the message is written.
    return this.#relay === null && this.#hasRoomInMemory(way, limitClass);
  }

  /** Sends a message that was written as claimed by this instance. */
  handOver(claim: Claim, handed: HandedMessage, limitClass: LimitClass): void {
    this.#enqueue(handed.message.sender.name, limitClass, async (isFree) => {
      if (isFree) await this.#send(claim, handed);
      else await this.delivery.giveBack(claim);
    });
  }

  /** Sends a message that was written for any worker, and whose transaction has committed. */
  wake(way: string, row: ClaimableRow, limitClass: LimitClass): void {
    if (this.#relay?.ways.has(way)) this.#relay.take(way, row);
    else if (this.#hasRoomInMemory(way, limitClass)) {
      this.#enqueue(way, limitClass, async (isFree) => {
        if (isFree) await this.#claimAndSend(row);
      });
      // It waits in the table, and not in the memory.
    } else if (this.#isRunning) this.#look(way);
  }

  /**
   * Sends the message of a key, unless it is sent already, not due, or held by another worker.
   *
   * @throws TwoFactorUnavailableError when the database does not answer. The message stays in the queue.
   */
  async deliver({ confirmation, number }: DeliveryKey): Promise<void> {
    const row = this.#isStopped ? null : await this.store!.find(confirmation, number);
    if (row === null || row.dueAt === null) return;
    await this.#tracked(
      this.#withSlot(this.#slotsOf(row.way), 'open', async (isFree) => {
        if (isFree) await this.#claimAndSend(row);
      }),
    );
  }

  /** Sends up to `limit` messages that are due. @returns how many it has claimed. */
  round(limits: RoundLimits): Promise<number> {
    return this.#tracked(this.#round(limits, [...this.backends.keys()]));
  }

  async #round({ limit, signal }: RoundLimits, ways: readonly string[]): Promise<number> {
    const { signal: stop } = this.#stop;
    const round = { limit, claimed: 0, signal: signal ? AbortSignal.any([signal, stop]) : stop };
    const sources = await this.#sources(round, ways);
    const loops = sources.flatMap((source) =>
      Array.from({ length: this.#concurrency }, () => this.#sendUntilEmpty(source, round)),
    );
    const settled = await Promise.allSettled(loops);
    const failure = settled.find(({ status }) => status === 'rejected');
    if (failure !== undefined) throw (failure as PromiseRejectedResult).reason;
    return round.claimed;
  }

  /** The messages that this round sends itself. Messages that the relay takes are sent by the workers that the relay wakes. */
  async #sources({ signal }: Round, ways: readonly string[]): Promise<Source[]> {
    const { store } = this;
    if (store === null || this.#isStopped) return [];
    const relay = this.#relay;
    const sources: Source[] = [];
    for (const way of ways) {
      const slots = this.#slotsOf(way);
      if (!relay?.ways.has(way)) {
        sources.push({ due: new DueMessages(store, [way], signal), slots });
        continue;
      }
      const keys = await store.due([way], RELAY_BATCH_SIZE);
      if (keys.length === 0 || (await relay.takeDue(way, keys))) continue;
      const ends = AbortSignal.any([signal, AbortSignal.timeout(PACED_ROUND_MS)]);
      const due = new DueMessages(store, [way], ends);
      sources.push({ due, slots, pace: () => relay.pace(way, ends) });
    }
    return sources;
  }

  #slotsOf(way: string): Slots {
    let slots = this.#slots.get(way);
    if (slots === undefined) {
      slots = new Slots(this.#concurrency);
      if (this.#isStopped) slots.close();
      this.#slots.set(way, slots);
    }
    return slots;
  }

  async #sendUntilEmpty({ due, slots, pace }: Source, round: Round): Promise<void> {
    for (;;) {
      // Before a slot is taken, so that a slow rate of one sender holds up no other one.
      if (pace && !(await pace())) return;
      if (round.signal.aborted || round.claimed >= round.limit) return;
      const goesOn = await this.#withSlot(slots, 'open', async (isFree) => {
        if (!isFree) return false;
        // Counted before it is claimed, so that all loops of a round together stay within the limit.
        round.claimed += 1;
        const claim = await due.claimNext().catch((error: unknown) => {
          round.claimed -= 1;
          throw error;
        });
        if (claim === null) round.claimed -= 1;
        else await this.#send(claim);
        return claim !== null;
      });
      if (!goesOn) return;
    }
  }

  async #claimAndSend(row: ClaimableRow): Promise<void> {
    const claim = await this.store!.claim(row);
    if (claim !== null) await this.#send(claim);
  }

  /** A claim that was on its way when the application began to stop is given back. */
  async #send(claim: Claim, handed: HandedMessage | null = null): Promise<void> {
    if (this.#isStopped) await this.delivery.giveBack(claim);
    else await this.delivery.deliver(claim, handed);
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get #isRunning(): boolean {
    return this.isEnabled && !this.#isStopped;
  }

  #hasRoomInMemory(way: string, limitClass: LimitClass): boolean {
    const most = this.#concurrency * WAITING_FOR_EACH_SLOT;
    return this.#isRunning && this.#slotsOf(way).waiting(limitClass) < most;
  }

  #enqueue(way: string, limitClass: LimitClass, work: (isFree: boolean) => Promise<void>): void {
    const begun = this.#withSlot(this.#slotsOf(way), limitClass, work);
    void this.#tracked(
      begun.catch((error: unknown) => {
        this.#logger.warn(`A queued message waits for the next round: ${messageAndCauseOf(error)}`);
      }),
    );
  }

  /** @param work is called with `false` when the application stops before there is a free slot. */
  async #withSlot<T>(
    slots: Slots,
    limitClass: LimitClass,
    work: (isFree: boolean) => Promise<T>,
  ): Promise<T> {
    const isFree = await slots.acquire(limitClass);
    try {
      return await work(isFree);
    } finally {
      if (isFree) slots.release(limitClass);
    }
  }

  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  #schedule(): void {
    const { worker } = this.options;
    if (!worker || this.#stop.signal.aborted) return;
    // Instances that start together after a deployment must not look together for ever.
    const factor = 1 - JITTER + Math.random() * 2 * JITTER;
    this.#timer = setTimeout(() => this.#poll(), worker.pollSeconds * 1_000 * factor);
    this.#timer.unref();
  }

  #poll(): void {
    for (const way of this.backends.keys()) this.#look(way);
    this.#schedule();
  }

  /** Sends what is due of one sender, in a round of its own: it may last as long as its provider does not answer. */
  #look(way: string): void {
    if (this.#looking.has(way)) return;
    this.#looking.add(way);
    const { signal } = this.#stop;
    const round = this.#round({ limit: Number.POSITIVE_INFINITY, signal }, [way])
      .catch((error: unknown) => {
        this.#logger.warn(
          `The look for due messages failed and will be repeated: ${messageAndCauseOf(error)}`,
        );
      })
      .finally(() => this.#looking.delete(way));
    void this.#tracked(round);
  }
}
