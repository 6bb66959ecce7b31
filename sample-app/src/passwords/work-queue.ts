import type { PartyRate } from './party-rate.js';

/** The queue refused the work: as much is running and waiting as it allows. */
export class QueueFullError extends Error {}

/** How much a queue takes. */
export interface QueueBounds {
  /** Pieces of work that run at the same time. */
  readonly atOnce: number;
  /** Further callers that wait for their turn. */
  readonly waiting: number;
  /** Callers of one party, running and waiting: one client must not fill the places of all. */
  readonly perParty: number;
}

/**
 * Runs expensive work, a few pieces at once, with a bounded number of callers waiting. Without the second bound a flood of
 * requests would keep the memory of all of them, and the last caller would wait for minutes.
 */
export class WorkQueue {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #parties = new Map<string, number>();

  constructor(
    private readonly bounds: QueueBounds,
    /** How much one party begins within a period. */
    private readonly rate?: PartyRate,
  ) {}

  /** @throws QueueFullError when it is full, and TooOftenError; `work` was not started then, and takes no place. */
  async run<T>(party: string, work: () => Promise<T>): Promise<T> {
    const { atOnce, waiting, perParty } = this.bounds;
    const ofParty = this.#parties.get(party) ?? 0;
    const isFull = this.#running >= atOnce && this.#waiting.length >= waiting;
    if (isFull || ofParty >= perParty) throw new QueueFullError('The queue is full.');
    this.rate?.count(party);
    this.#parties.set(party, ofParty + 1);
    if (this.#running < atOnce) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      this.#leave(party);
    }
  }

  /** The place goes to the caller that has waited longest, so that no newcomer takes it in between. */
  #leave(party: string): void {
    const left = (this.#parties.get(party) ?? 1) - 1;
    if (left === 0) this.#parties.delete(party);
    else this.#parties.set(party, left);
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
