/** Something that can be done together with others of its kind. */
export interface Joinable {
  /** What it touches: two with one of these in common never go together. */
  readonly keys: readonly string[];
}

/** Whatever is that long on the wire holds nobody back any more. */
const STALE_MS = 20;

/**
 * Where calls of one kind wait while one is on the wire, to go as one when that is back. A lone one goes at once, and by
 * itself. Nobody waits longer than 20 ms: then the next ones go beside.
 */
export class Line<Call extends Joinable> {
  #waiting: Call[] = [];
  /** How many times something went, and what went last, as long as it holds the others back; 0 for nothing. */
  #trips = 0;
  #onTheWire = 0;
  #wentAt = 0;
  /** Where several went together there are soon several again: they are waited for until the end of the tick. */
  #isBusy = false;
  #tick: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param send settles the calls by itself, and never rejects. */
  constructor(
    private readonly maxSize: number,
    private readonly send: (calls: readonly Call[]) => Promise<unknown>,
  ) {}

  add(call: Call): void {
    if (this.#onTheWire === 0 && !this.#isBusy) {
      this.#go([call]);
      return;
    }
    this.#waiting.push(call);
    if (this.#onTheWire !== 0) this.#waitAtMost();
    else this.#tick ??= setImmediate(this.#next);
  }

  readonly #next = (): void => {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    this.#onTheWire = 0;
    if (this.#waiting.length === 0) return;
    this.#go(this.#take());
    if (this.#waiting.length > 0) this.#waitAtMost();
  };

  #go(calls: readonly Call[]): void {
    this.#trips += 1;
    const trip = this.#trips;
    this.#isBusy = calls.length > 1;
    this.#onTheWire = trip;
    this.#wentAt = performance.now();
    void this.send(calls).finally(() => {
      // Else it took too long, and others went since.
      if (this.#onTheWire === trip) this.#next();
    });
  }

  #waitAtMost(): void {
    if (this.#timer !== undefined) return;
    const rest = this.#wentAt + STALE_MS - performance.now();
    this.#timer = setTimeout(this.#next, Math.max(0, rest));
  }

  /** The first ones that have no key in common. */
  #take(): readonly Call[] {
    if (this.#waiting.length === 1) return this.#waiting.splice(0);
    const taken: Call[] = [];
    const left: Call[] = [];
    const keys = new Set<string>();
    for (const call of this.#waiting) {
      if (taken.length < this.maxSize && !call.keys.some((key) => keys.has(key))) {
        for (const key of call.keys) keys.add(key);
        taken.push(call);
      } else {
        left.push(call);
      }
    }
    this.#waiting = left;
    return taken;
  }
}
