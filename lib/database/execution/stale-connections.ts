/** A refusal after such a pause belongs to another outage than the one before it. */
const OUTAGE_MS = 30_000;

/**
 * Tells a failover from a server that accepts no writes at all. After a failover the open connections still lead to the old
 * primary, and each of them is found out by a statement that it refuses; new ones lead to the new primary. So as many refusals
 * as the pool has connections prove nothing, and a statement is sent again. One more proves that new connections do not help:
 * from then on each call is refused at once, or every call of a client would open as many connections.
 */
export class StaleConnections {
  #remaining = 0;
  #lastRefusalAt = -Infinity;

  constructor(private readonly poolSize: number) {}

  /** Counts a connection whose server has refused to write, and that was closed for it. */
  recordRefusal(): void {
    const now = performance.now();
    if (now - this.#lastRefusalAt > OUTAGE_MS) this.#remaining = this.poolSize + 1;
    this.#lastRefusalAt = now;
    this.#remaining = Math.max(0, this.#remaining - 1);
  }

  /** Whether another connection of the pool may lead to a server that accepts writes. */
  get mayReachAnother(): boolean {
    return this.#remaining > 0;
  }
}
