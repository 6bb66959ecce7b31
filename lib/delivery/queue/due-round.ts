import type { LimitClass } from '../../options/index.js';
import type { DeliveryRelay } from './delivery-relay.js';
import { limitClassOf, type Claim, type DeliveryStore } from './delivery.store.js';
import { DueMessages } from './due-messages.js';
import type { Slots } from './slots.js';

/** At most this many due messages of a sender and class are passed to a relay in one round. The relay ignores those that it has already. */
const RELAY_BATCH_SIZE = 512;
/** A round that sends for a relay at the rate of a provider ends after this time. The next round asks the relay again. */
const PACED_ROUND_MS = 5_000;

/** What a round uses of the worker that runs it. */
export interface RoundContext {
  readonly store: DeliveryStore;
  readonly relay: DeliveryRelay | null;
  /** The most messages of a sender and class that are sent at once. */
  readonly concurrency: number;
  readonly slotsOf: (way: string) => Slots;
  readonly send: (claim: Claim) => Promise<void>;
}

/** The limits of one round of a worker: how many messages it sends, and the signal that ends it. */
export interface RoundLimits {
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** The due messages of one sender, as far as this round sends them itself. */
interface DueSource {
  readonly due: DueMessages;
  readonly slots: Slots;
  /** Waits until the next message of this source may be sent; false when this round is to send no more. Absent: immediately. */
  readonly pace?: () => Promise<boolean>;
}

/**
 * Sends the messages that are due. The classes of a sender are sent beside each other, each by loops of its own: while all slots
 * of one class are taken by slow recipients, the other class goes on in the slot that is kept for it.
 */
export class DueRound {
  #claimed = 0;
  /** Whether a loop ended because of the limit, while the claim that reached it could still be lost. */
  #endedByLimit = false;

  constructor(
    private readonly context: RoundContext,
    private readonly limits: RoundLimits,
  ) {}

  /**
   * @param onClassEnd is called when no message of a class is left, while messages of the other class may still be sent.
   * @returns how many messages it has claimed.
   */
  async run(
    ways: readonly string[],
    classes: readonly LimitClass[],
    onClassEnd: (limitClass: LimitClass) => void = () => undefined,
  ): Promise<number> {
    const { limit } = this.limits;
    do {
      this.#endedByLimit = false;
      const sources = await this.#sources(ways, classes);
      const lanes = sources.flatMap((source) =>
        classes.map((limitClass) =>
          this.#sendClass(source, limitClass).finally(() => onClassEnd(limitClass)),
        ),
      );
      const settled = await Promise.allSettled(lanes);
      const failure = settled.find(({ status }) => status === 'rejected');
      if (failure !== undefined) throw (failure as PromiseRejectedResult).reason;
    } while (this.#endedByLimit && this.#claimed < limit);
    return this.#claimed;
  }

  /** The messages that this round sends itself. Messages that the relay takes are sent by the workers that the relay wakes. */
  async #sources(ways: readonly string[], classes: readonly LimitClass[]): Promise<DueSource[]> {
    const { relay, slotsOf, store } = this.context;
    const { signal } = this.limits;
    const sources: DueSource[] = [];
    for (const way of signal.aborted ? [] : ways) {
      const slots = slotsOf(way);
      if (!relay?.ways.has(way)) {
        sources.push({ due: new DueMessages(store, way, classes, signal), slots });
        continue;
      }
      const rows = await store.due([way], RELAY_BATCH_SIZE, classes);
      const keys = rows.map((row) => ({ ...row, limitClass: limitClassOf(row) }));
      if (keys.length === 0 || (await relay.enqueueDue(way, keys))) continue;
      const ends = AbortSignal.any([signal, AbortSignal.timeout(PACED_ROUND_MS)]);
      const due = new DueMessages(store, way, classes, ends);
      sources.push({ due, slots, pace: () => relay.pace(way, ends) });
    }
    return sources;
  }

  /**
   * Sends the messages of one class until none is left: by one loop at first, and by one more for each message that was found. So
   * a round that finds none costs one statement for both classes, and only loops that have sent something read again.
   */
  async #sendClass(source: DueSource, limitClass: LimitClass): Promise<void> {
    const failures: unknown[] = [];
    const loops = new Set<Promise<void>>();
    const begin = (mayRead: boolean): void => {
      if (loops.size >= this.context.concurrency) return;
      const loop = this.#sendUntilEmpty(source, limitClass, mayRead, () => begin(false))
        .catch((error: unknown) => void failures.push(error))
        .finally(() => loops.delete(loop));
      loops.add(loop);
    };
    begin(true);
    while (loops.size > 0) await Promise.all(loops);
    if (failures.length > 0) throw failures[0];
  }

  async #sendUntilEmpty(
    { due, slots, pace }: DueSource,
    limitClass: LimitClass,
    mayReadFirst: boolean,
    onFound: () => void,
  ): Promise<void> {
    for (let mayRead = mayReadFirst; ; mayRead = true) {
      // Before a slot is taken, so that a slow rate of one sender holds up no other one.
      if (pace && !(await pace())) return;
      if (this.limits.signal.aborted || this.#isFull()) return;
      const goesOn = await slots.run(
        limitClass,
        async (isFree) => isFree && this.#sendNext(due, limitClass, mayRead, onFound),
      );
      if (!goesOn) return;
    }
  }

  /** @returns false when there was none. */
  async #sendNext(
    due: DueMessages,
    limitClass: LimitClass,
    mayRead: boolean,
    onFound: () => void,
  ): Promise<boolean> {
    for (;;) {
      const row = await due.next(limitClass, mayRead);
      if (row === null || this.#isFull()) return false;
      // Counted before it is claimed, so that all loops of a round together stay within the limit.
      this.#claimed += 1;
      let claim: Claim | null = null;
      try {
        claim = await this.context.store.claim(row);
      } finally {
        if (claim === null) this.#claimed -= 1;
      }
      if (claim === null) continue;
      due.noteClaimed(limitClass);
      onFound();
      await this.context.send(claim);
      return true;
    }
  }

  #isFull(): boolean {
    const isFull = this.#claimed >= this.limits.limit;
    this.#endedByLimit ||= isFull;
    return isFull;
  }
}
