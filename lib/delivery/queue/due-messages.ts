import type { LimitClass } from '../../options/index.js';
import { limitClassOf, type DeliveryRow, type DeliveryStore } from './delivery.store.js';

/**
 * How many of the due messages of a class a batch holds, or all of them when there are not twice as many. They are chosen at random:
 * workers that all try the oldest ones lose most of their claims.
 */
const CANDIDATES_PER_CLASS = 8;
/**
 * A round ends for a class after this many batches in a row from which it could claim no message. Other workers have claimed those
 * messages and send them, so that further reads would only load the database.
 */
const MAX_LOST_BATCHES = 3;

/** The messages of one sender that are due in one round, found one by one. */
export class DueMessages {
  #candidates: Readonly<Record<LimitClass, DeliveryRow[]>> = { bound: [], open: [] };
  #reading: Promise<void> | null = null;
  readonly #lostBatches = { bound: 0, open: 0 };
  /** The messages that were found before and that the last read found again, because their claims were still on their way. */
  #found = new Set<string>();

  constructor(
    private readonly store: DeliveryStore,
    private readonly way: string,
    /** The classes that this round looks for. */
    private readonly classes: readonly LimitClass[],
    /** No message is found after this signal is aborted. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * A message to be claimed; `null` when no message of the class is due, other workers claim all of them, or the signal is aborted.
   *
   * @param mayRead false for a message of the last batch only, without a statement.
   */
  async next(limitClass: LimitClass, mayRead: boolean): Promise<DeliveryRow | null> {
    for (;;) {
      if (this.signal.aborted) return null;
      const candidate = this.#candidates[limitClass].pop();
      if (candidate !== undefined) {
        this.#found.add(claimOf(candidate));
        return candidate;
      }
      if (!mayRead || this.#lostBatches[limitClass] >= MAX_LOST_BATCHES) return null;
      await this.#readBatch();
      if (this.#candidates[limitClass].length === 0) return null;
    }
  }

  /** Reports that a message of the class was claimed, so that reading the next batch is worth its statement. */
  noteClaimed(limitClass: LimitClass): void {
    this.#lostBatches[limitClass] = 0;
  }

  /** Reads the next batch once for all loops of the worker that wait for it at the same time. */
  #readBatch(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const rows = await this.store.due([this.way], undefined, this.classes);
    const due = shuffled(rows.filter((row) => !this.#found.has(claimOf(row))));
    this.#found = new Set(rows.map(claimOf).filter((claim) => this.#found.has(claim)));
    const ofClass = (wanted: LimitClass): DeliveryRow[] => {
      const found = due.filter((row) => limitClassOf(row) === wanted);
      return found.length > 2 * CANDIDATES_PER_CLASS ? found.slice(0, CANDIDATES_PER_CLASS) : found;
    };
    this.#candidates = { bound: ofClass('bound'), open: ofClass('open') };
    for (const limitClass of this.classes) this.#lostBatches[limitClass] += 1;
  }
}

/** What one worker wins: the same message has another number of claims when it is due again. */
function claimOf({ confirmation, number, claims }: DeliveryRow): string {
  return `${confirmation} ${number} ${claims}`;
}

function shuffled<T>(list: readonly T[]): T[] {
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
