/** The party has begun as much as it may. */
export class TooOftenError extends Error {
  constructor(readonly retryAfterSeconds: number) {
    super('The party has begun as much as it may.');
  }
}

/** How much one party may begin. */
export interface PartyBound {
  readonly max: number;
  /**
   * Together with what was taken back. That computes nothing, but holds a place during its statements: without this bound, a few parties that
   * begin it without end would keep all places busy.
   */
  readonly tries: number;
  readonly perSeconds: number;
}

interface Period {
  begun: number;
  tried: number;
  readonly endsAt: number;
}

/**
 * Counts in memory how much each party begins within a period. A count in the database would cost a refused request statements and,
 * while they run, a place in the queue, so that a flood of refused requests would fill it all the same.
 */
export class PartyRate {
  /** The oldest period first: all of them last as long. */
  readonly #periods = new Map<string, Period>();

  constructor(private readonly bound: PartyBound) {}

  /** @throws TooOftenError when the party has begun as much as it may; it is not counted then. */
  count(party: string): void {
    // Not the time of day: where that is set back, a period would last longer than it may.
    const now = performance.now();
    this.#forgetUntil(now);
    const { max, tries, perSeconds } = this.bound;
    const endsAt = now + perSeconds * 1_000;
    const period = this.#periods.get(party) ?? { begun: 0, tried: 0, endsAt };
    if (period.begun >= max || period.tried >= tries) {
      throw new TooOftenError(Math.ceil((period.endsAt - now) / 1_000));
    }
    period.begun += 1;
    period.tried += 1;
    this.#periods.set(party, period);
  }

  /** Takes back what a party has begun, and what then computed nothing. It stays counted as a try. */
  uncount(party: string): void {
    const period = this.#periods.get(party);
    if (period !== undefined && period.begun > 0) period.begun -= 1;
  }

  /** Keeps the map as small as the number of parties within one period. */
  #forgetUntil(now: number): void {
    for (const [party, { endsAt }] of this.#periods) {
      if (endsAt > now) return;
      this.#periods.delete(party);
    }
  }
}
