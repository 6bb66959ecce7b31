/** The party has begun as much as it may. */
export class TooOftenError extends Error {
  constructor(readonly retryAfterSeconds: number) {
    super('The party has begun as much as it may.');
  }
}

/**
 * Counts in memory how much each party begins within a period. A count in the database would cost a refused request statements and,
 * while they run, a place in the queue, so that a flood of refused requests would fill it all the same.
 */
export class PartyRate {
  /** The oldest period first: all of them last as long. */
  readonly #periods = new Map<string, { begun: number; readonly endsAt: number }>();

  constructor(private readonly bound: { readonly max: number; readonly perSeconds: number }) {}

  /** @throws TooOftenError when the party has begun as much as it may; it is not counted then. */
  count(party: string): void {
    // Not the time of day: where that is set back, a period would last longer than it may.
    const now = performance.now();
    this.#forgetUntil(now);
    const { max, perSeconds } = this.bound;
    const period = this.#periods.get(party) ?? { begun: 0, endsAt: now + perSeconds * 1_000 };
    if (period.begun >= max) throw new TooOftenError(Math.ceil((period.endsAt - now) / 1_000));
    period.begun += 1;
    this.#periods.set(party, period);
  }

  /** Takes back what a party has begun, and what then cost nothing. */
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
