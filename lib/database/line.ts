/** Something that can be done together with others of its kind. */
export interface Joinable {
  /** What it touches: two with one of these in common never go together. */
  readonly keys: readonly string[];
}

/** Whatever is that long on the wire holds nobody back any more. */
const STALE_MS = 20;
/** The application works on the answers to one statement while the server works on the other. */
const ON_THE_WIRE = Number(process.env['W'] ?? 1);

/**
 * Where calls of one kind wait while two statements of it are on the wire, to go as one when either is back. A lone one
 * goes at once, and by itself. Nobody waits longer than 20 ms: then the next ones go beside.
 */
export class Line<Call extends Joinable> {
  #waiting: Call[] = [];
  /** When each of those on the wire went, the oldest first. */
  readonly #onTheWire = new Map<symbol, number>();
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
    if (this.#onTheWire.size >= ON_THE_WIRE) this.#waitAtMost();
    else if (this.#isBusy) this.#tick ??= setImmediate(() => this.#next());
    else this.#next();
  }

  #next(): void {
    clearImmediate(this.#tick);
    this.#tick = undefined;
    for (;;) {
      const free = ON_THE_WIRE - this.#onTheWire.size;
      if (free <= 0 || this.#waiting.length === 0) break;
      void this.#go(this.#take(Math.min(this.maxSize, Math.ceil(this.#waiting.length / free))));
    }
    if (this.#waiting.length > 0) this.#waitAtMost();
  }

  async #go(calls: readonly Call[]): Promise<void> {
    const sent = Symbol();
    this.#isBusy = calls.length > 1;
    this.#onTheWire.set(sent, performance.now());
    await this.send(calls);
    if (this.#onTheWire.delete(sent)) this.#next();
  }

  #waitAtMost(): void {
    const [oldest] = this.#onTheWire;
    if (this.#timer !== undefined || oldest === undefined) return;
    const [sent, wentAt] = oldest;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        // If it is back, others have gone since.
        if (this.#onTheWire.delete(sent)) this.#next();
        else if (this.#waiting.length > 0) this.#waitAtMost();
      },
      Math.max(0, wentAt + STALE_MS - performance.now()),
    );
  }

  /** The first ones that have no key in common. */
  #take(size: number): Call[] {
    const taken: Call[] = [];
    const left: Call[] = [];
    const keys = new Set<string>();
    for (const call of this.#waiting) {
      if (taken.length < size && !call.keys.some((key) => keys.has(key))) {
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
