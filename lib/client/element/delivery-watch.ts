/** A provider accepts a queued message within this time, unless it fails and the message is repeated: then a delay is displayed. */
const DELAYED_AFTER_SECONDS = 8;
/** The most seconds between two requests for the state of a queued message, and until a person reads that it was given up. */
const LONGEST_PAUSE = 5;

/** When the server is asked what became of one queued message: in pauses that double. */
export class DeliveryWatch {
  /** Whether an answer is awaited. A server that answers slowly would otherwise get more and more requests at once. */
  isPolling = false;
  /** Seconds since the server queued the message. */
  #seconds = 0;
  #nextAt = 1;

  /** @returns whether the server is to be asked now, which `isPolling` then says. Called once a second. */
  tryBeginPoll(): boolean {
    this.#seconds += 1;
    if (this.isPolling || this.#seconds < this.#nextAt) return false;
    this.#nextAt = this.#seconds + Math.min(this.#seconds, LONGEST_PAUSE);
    this.isPolling = true;
    return true;
  }

  get isDelayed(): boolean {
    return this.#seconds >= DELAYED_AFTER_SECONDS;
  }
}
