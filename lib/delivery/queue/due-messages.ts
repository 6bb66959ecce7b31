import type { Claim, DeliveryRow, DeliveryStore } from './delivery.store.js';

/** This many of the due messages are tried, chosen at random: workers that all try the oldest ones lose most of their claims. */
const CANDIDATES = 8;
/**
 * A round ends after this many pages in a row from which it could claim no message. Other workers have claimed those messages and
 * send them, so that further reads would only load the database.
 */
const MAX_LOST_PAGES = 3;

/** The messages that are due in one round, claimed one by one. */
export class DueMessages {
  #candidates: DeliveryRow[] = [];
  #page: Promise<boolean> | null = null;
  #lostPages = 0;

  constructor(
    private readonly store: DeliveryStore,
    private readonly ways: readonly string[],
    /** No message is claimed after this signal is aborted. */
    private readonly signal: AbortSignal,
  ) {}

  /** `null` when no message is due, other workers claim all of them, or the signal is aborted. */
  async claimNext(): Promise<Claim | null> {
    while (this.#lostPages < MAX_LOST_PAGES) {
      if (this.signal.aborted) return null;
      const candidate = this.#candidates.pop();
      if (candidate === undefined) {
        if (!(await this.#readPage())) return null;
        continue;
      }
      const claim = await this.store.claim(candidate);
      if (claim !== null) {
        this.#lostPages = 0;
        return claim;
      }
    }
    return null;
  }

  /** One read for all lanes that wait for it. */
  #readPage(): Promise<boolean> {
    this.#page ??= this.#read().finally(() => {
      this.#page = null;
    });
    return this.#page;
  }

  async #read(): Promise<boolean> {
    const due = shuffled(await this.store.due(this.ways));
    this.#candidates = due.slice(0, CANDIDATES);
    this.#lostPages += 1;
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
