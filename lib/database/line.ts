/** Something that can be done together with others of its kind. */
export interface Joinable {
  /** What it touches: two with one of these in common never go together. */
  readonly keys: readonly string[];
}

/** Whatever is that long on the wire holds nobody back any more. */
const STALE_MS = 20;
/** So many go by themselves at once, before the next ones are worth waiting for. */
const LONE = 2;

/**
 * Where calls of one kind wait while others are on the wire, to go as one when those are back. A lone one goes at once, and
 * by itself, and a second one beside it: what few callers gain by going together they lose by waiting. Nobody waits longer
 * than 20 ms: then the next ones go beside whatever is out.
 */
export class Line<Call extends Joinable> {
  #waiting: Call[] = [];
  /** How many of one are on the wire, and whether one of several is, as long as they hold the others back. */
  #lone = 0;
  #isJoinedOut = false;
  /** Those that went in an earlier one hold nobody back any more. */
  #epoch = 0;
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
    if (!this.#isBusy && this.#lone < LONE) {
      this.#go([call]);
      return;
    }
    this.#waiting.push(call);
    if (this.#isJoinedOut || this.#lone > 0) this.#waitAtMost();
    else this.#tick ??= setImmediate(this.#next);
  }

  readonly #next = (): void => {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.#go(this.#take());
    if (this.#waiting.length > 0) this.#waitAtMost();
  };

  #go(calls: readonly Call[]): void {
    const isLone = calls.length === 1;
    const epoch = this.#epoch;
    this.#isBusy = !isLone;
    if (isLone) this.#lone += 1;
    else this.#isJoinedOut = true;
    this.#wentAt = performance.now();
    void this.send(calls).finally(() => {
      // Else it took too long, and others went since.
      if (epoch === this.#epoch) this.#back(isLone);
    });
  }

  #back(isLone: boolean): void {
    if (isLone) this.#lone -= 1;
    else this.#isJoinedOut = false;
    if (!this.#isJoinedOut) this.#next();
  }

  #waitAtMost(): void {
    if (this.#timer !== undefined) return;
    const rest = this.#wentAt + STALE_MS - performance.now();
    this.#timer = setTimeout(this.#forget, Math.max(0, rest));
  }

  readonly #forget = (): void => {
    this.#epoch += 1;
    this.#lone = 0;
    this.#isJoinedOut = false;
    this.#next();
  };

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
