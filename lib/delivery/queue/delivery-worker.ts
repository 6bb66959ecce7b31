import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import { messageAndCauseOf } from '../../errors/index.js';
import { jitteredTimer } from '../../jittered-timer.js';
import { DEFAULTS, type LimitClass, type ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../../two-factor.tokens.js';
import type { DeliveryKey, DeliveryRelay } from './delivery-relay.js';
import {
  DeliveryStore,
  isDue,
  LIMIT_CLASSES,
  limitClassOf,
  type Claim,
  type ClaimableRow,
} from './delivery.store.js';
import { DueRound, type RoundContext } from './due-round.js';
import { MessageDelivery, type HandedMessage } from './message-delivery.js';
import { Slots } from './slots.js';

/** How many messages for each slot wait in memory. What is beyond waits in the table, where any instance finds it. */
const WAITING_FOR_EACH_SLOT = 16;

/**
 * Sends the queued messages: those that this instance has written, right after their commit, and in rounds those that are due
 * because a try failed, a process died or a commit was not noticed. At most `concurrency` messages of each sender are sent at
 * once: a provider that does not answer holds up its own messages, and not those of the other senders. While all of them are of
 * one class, one message of the other class is sent beside them: strangers choose the recipients of the class `open`, and a provider
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
  /** The senders and classes for which this instance looks for due messages now. */
  readonly #activeRounds = new Set<string>();

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
    if (this.#relay?.ways.has(way)) this.#relay.enqueue(way, { ...row, limitClass });
    else if (this.#hasRoomInMemory(way, limitClass)) {
      this.#enqueue(way, limitClass, async (isFree) => {
        if (isFree) await this.#claimAndSend(row);
      });
    } else if (this.#isRunning) {
      // No room in memory: the message stays in the table, and a look begins now instead of at the next poll.
      this.#sendDue(way);
    }
  }

  /**
   * Sends the message of a key, unless it is sent already, not due, or held by another worker.
   *
   * @param waitMs the longest wait for a free slot, in milliseconds.
   * @returns false when there was no slot: the message stays in the table, and a round finds it.
   * @throws TwoFactorUnavailableError when the database does not answer. The message stays in the queue.
   */
  async deliver({ confirmation, number }: DeliveryKey, waitMs: number): Promise<boolean> {
    const row = this.#isStopped ? null : await this.store!.find(confirmation, number);
    if (row === null || !isDue(row, this.options.clock.now())) return true;
    const slots = this.#slotsOf(row.way);
    const send = async (isFree: boolean): Promise<boolean> => {
      if (isFree) await this.#claimAndSend(row);
      return isFree;
    };
    return this.#tracked(slots.run(limitClassOf(row), send, waitMs));
  }

  /** Sends up to `limit` messages that are due. @returns how many it has claimed. */
  round(limit: number, signal?: AbortSignal): Promise<number> {
    return this.#tracked(this.#round(limit, [...this.backends.keys()], LIMIT_CLASSES, signal));
  }

  async #round(
    limit: number,
    ways: readonly string[],
    classes: readonly LimitClass[],
    signal?: AbortSignal,
    onClassEnd?: (limitClass: LimitClass) => void,
  ): Promise<number> {
    const { store } = this;
    if (store === null) return 0;
    const context: RoundContext = {
      store,
      relay: this.#relay,
      concurrency: this.#concurrency,
      slotsOf: (way) => this.#slotsOf(way),
      send: (claim) => this.#send(claim),
    };
    const { signal: stop } = this.#stop;
    const ends = signal === undefined ? stop : AbortSignal.any([signal, stop]);
    return new DueRound(context, { limit, signal: ends }).run(ways, classes, onClassEnd);
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
    const begun = this.#slotsOf(way).run(limitClass, work);
    void this.#tracked(
      begun.catch((error: unknown) => {
        this.#logger.warn(`A queued message waits for the next round: ${messageAndCauseOf(error)}`);
      }),
    );
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
    this.#timer = jitteredTimer(worker.pollSeconds * 1_000, () => this.#poll());
  }

  #poll(): void {
    for (const way of this.backends.keys()) this.#sendDue(way);
    this.#schedule();
  }

  /**
   * Sends what is due of one sender, in a round of its own: it may last as long as its provider does not answer. A class that is
   * still being sent is left out, so that slow recipients of one class do not delay the look for the other.
   */
  #sendDue(way: string): void {
    const nameOf = (limitClass: LimitClass): string => `${limitClass} ${way}`;
    const classes = LIMIT_CLASSES.filter((each) => !this.#activeRounds.has(nameOf(each)));
    if (classes.length === 0) return;
    for (const each of classes) this.#activeRounds.add(nameOf(each));
    const open = new Set(classes);
    const end = (limitClass: LimitClass): void => {
      if (open.delete(limitClass)) this.#activeRounds.delete(nameOf(limitClass));
    };
    const round = this.#round(Number.POSITIVE_INFINITY, [way], classes, undefined, end)
      .catch((error: unknown) => {
        this.#logger.warn(
          `The look for due messages failed and will be repeated: ${messageAndCauseOf(error)}`,
        );
      })
      .finally(() => classes.forEach(end));
    void this.#tracked(round);
  }
}
