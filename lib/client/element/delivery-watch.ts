/** A provider takes a message within this time, unless it has failed and the message is repeated. */
const DELAYED_AFTER_SECONDS = 8;
/** Between two questions for a queued message. A person waits this long at most to read that it was given up. */
const LONGEST_PAUSE = 5;

/** When the server is asked what became of one queued message: in pauses that double. */
export class DeliveryWatch {
  /** Until the answer has come. A server that answers slowly would otherwise be asked more and more questions at once. */
  isAsking = false;
  /** Since the server queued the message. */
  #seconds = 0;
  #nextAt = 1;

  /** @returns whether the server is to be asked now, which `isAsking` then says. Called once a second. */
  mayAsk(): boolean {
    this.#seconds += 1;
    if (this.isAsking || this.#seconds < this.#nextAt) return false;
    this.#nextAt = this.#seconds + Math.min(this.#seconds, LONGEST_PAUSE);
    this.isAsking = true;
    return true;
  }

  get isDelayed(): boolean {
    return this.#seconds >= DELAYED_AFTER_SECONDS;
  }
}
