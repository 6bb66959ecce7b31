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
  /** What went last, as long as it holds the others back. */
  #onTheWire: symbol | null = null;
  #wentAt = 0;
  /** Where several went together there are soon several again: they are waited for until the end of the tick. */
  #isBusy = false;
  #tick: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param send settles the calls by itself, and never rejects. */
  constructor(
    private readonly maxSize: number,
    private readonly send: (calls: readonly Call[]) => Promise<void>,
  ) {}

  add(call: Call): void {
    this.#waiting.push(call);
    if (this.#onTheWire !== null) this.#waitAtMost();
    else if (this.#isBusy) this.#tick ??= setImmediate(() => this.#next());
    else this.#next();
  }

  #next(): void {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    this.#onTheWire = null;
    if (this.#waiting.length === 0) return;
    void this.#go(this.#take());
    if (this.#waiting.length > 0) this.#waitAtMost();
  }

  async #go(calls: readonly Call[]): Promise<void> {
    const sent = Symbol();
    this.#isBusy = calls.length > 1;
    this.#onTheWire = sent;
    this.#wentAt = performance.now();
    await this.send(calls);
    // Else it took too long, and others went since.
    if (this.#onTheWire === sent) this.#next();
  }

  #waitAtMost(): void {
    const rest = this.#wentAt + STALE_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#next(), Math.max(0, rest));
  }

  /** The first ones that have no key in common. */
  #take(): Call[] {
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
