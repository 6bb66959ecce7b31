import type { Claim, DeliveryRow, DeliveryStore } from './delivery.store.js';

/** How many of the due messages a batch holds. They are chosen at random: workers that all try the oldest ones lose most of their claims. */
const CANDIDATES = 8;
/**
 * A round ends after this many batches in a row from which it could claim no message. Other workers have claimed those messages and
 * send them, so that further reads would only load the database.
 */
const MAX_LOST_BATCHES = 3;

/** The messages that are due in one round, claimed one by one. */
export class DueMessages {
  #candidates: DeliveryRow[] = [];
  #reading: Promise<boolean> | null = null;
  #lostBatches = 0;

  constructor(
    private readonly store: DeliveryStore,
    private readonly ways: readonly string[],
    /** No message is claimed after this signal is aborted. */
    private readonly signal: AbortSignal,
  ) {}

  /** `null` when no message is due, other workers claim all of them, or the signal is aborted. */
  async claimNext(): Promise<Claim | null> {
    while (this.#lostBatches < MAX_LOST_BATCHES) {
      if (this.signal.aborted) return null;
      const candidate = this.#candidates.pop();
      if (candidate === undefined) {
        if (!(await this.#readBatch())) return null;
        continue;
      }
      const claim = await this.store.claim(candidate);
      if (claim !== null) {
        this.#lostBatches = 0;
        return claim;
      }
    }
    return null;
  }

  /** Reads the next batch once for all loops of the worker that wait for it at the same time. */
  #readBatch(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<boolean> {
    const due = shuffled(await this.store.due(this.ways));
    this.#candidates = due.slice(0, CANDIDATES);
    this.#lostBatches += 1;
    return due.length > 0;
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
