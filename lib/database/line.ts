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
  /** What went last, as long as it is on the wire. */
  #last: symbol | null = null;
  #wentAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param send settles the calls by itself, and never rejects. */
  constructor(
    private readonly maxSize: number,
    private readonly send: (calls: readonly Call[]) => Promise<void>,
  ) {}

  add(call: Call): void {
    if (this.#last === null) {
      this.#go([call]);
      return;
    }
    this.#waiting.push(call);
    this.#waitAtMost();
  }

  #go(calls: readonly Call[]): void {
    const went = Symbol();
    this.#last = went;
    this.#wentAt = performance.now();
    void this.send(calls).then(() => {
      if (this.#last === went) this.#next();
    });
  }

  #next(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#last = null;
    const calls = this.#take();
    if (calls.length === 0) return;
    this.#go(calls);
    if (this.#waiting.length > 0) this.#waitAtMost();
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
