/** Something that can be done together with others of its kind. */
export interface Joinable {
  /** What it touches: two with one of these in common never go together. */
  readonly keys: readonly string[];
}

/** Whatever is that long on the wire holds nobody back any more: many, */
const STALE_MS = 20;
/** and few, or a lone one: where the server is far away, waiting for them costs more than going together gains. */
const STALE_FEW_MS = 2;
/** So many are worth a statement of their own while another one is on the wire: the server works while we do. */
const ENOUGH = 24;
/** Statements of several that are on the wire at once. */
const JOINED = 2;

/**
 * Where calls wait while others are on the wire, to go as one when those are back. A lone one goes at once, and by itself.
 * Many go as two halves. Nobody waits longer than 2 ms behind few, and 20 ms behind many: then the next ones go beside
 * whatever is out.
 */
export class Line<Call extends Joinable> {
  #waiting: Call[] = [];
  /** How many of one are on the wire, and of several, as long as they hold the others back. */
  #lone = 0;
  #joined = 0;
  /** Those that went in an earlier one hold nobody back any more. */
  #epoch = 0;
  /** Until when those that went last hold the others back. */
  #staleAt = 0;
  /** Where several went together there are soon several again: they are waited for until the end of the tick. */
  #isBusy = false;
  #tick: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param lone so many go by themselves at once, before the next ones are worth waiting for.
   * @param send settles the calls by itself, and never rejects.
   */
  constructor(
    private readonly maxSize: number,
    private readonly lone: number,
    private readonly send: (calls: readonly Call[]) => Promise<unknown>,
  ) {}

  add(call: Call): void {
    if (!this.#isBusy && this.#lone < this.lone && this.#waiting.length === 0) {
      this.#go([call]);
      return;
    }
    this.#waiting.push(call);
    const isFree = this.#joined === 0 && this.#lone === 0;
    if (isFree || this.#areEnough) this.#goSoon();
    else this.#waitAtMost();
  }

  /** Whether those that wait are worth a statement beside the one that is out. Many for one thing still go one by one. */
  get #areEnough(): boolean {
    const isOut = this.#joined > 0 && this.#joined < JOINED;
    return isOut && this.#lone < this.lone && this.#waiting.length >= ENOUGH;
  }

  readonly #next = (): void => {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    const { length } = this.#waiting;
    if (length === 0) return;
    const areTwice = this.#joined === 0 && length >= JOINED * ENOUGH;
    this.#go(this.#take(areTwice ? Math.ceil(length / JOINED) : length));
    if (this.#areEnough) this.#go(this.#take(length));
    if (this.#waiting.length > 0) this.#waitAtMost();
  };

  #go(calls: readonly Call[]): void {
    const isLone = calls.length === 1;
    const epoch = this.#epoch;
    this.#isBusy = !isLone;
    this.#count(isLone, 1);
    this.#staleAt = performance.now() + (calls.length < ENOUGH ? STALE_FEW_MS : STALE_MS);
    void this.send(calls).finally(() => {
      // Else it took too long, and others went since.
      if (epoch === this.#epoch) this.#back(isLone);
    });
  }

  #back(isLone: boolean): void {
    this.#count(isLone, -1);
    const mayGo = this.#joined === 0 || this.#areEnough;
    if (mayGo && this.#waiting.length > 0) this.#goSoon();
  }

  /** At the end of the tick: whoever was just answered may have more to say at once. */
  #goSoon(): void {
    this.#tick ??= setImmediate(this.#next);
  }

  #count(isLone: boolean, more: number): void {
    if (isLone) this.#lone += more;
    else this.#joined += more;
  }

  #waitAtMost(): void {
    if (this.#timer !== undefined) return;
    const rest = this.#staleAt - performance.now();
    this.#timer = setTimeout(this.#forget, Math.max(0, rest));
  }

  readonly #forget = (): void => {
    this.#epoch += 1;
    this.#lone = 0;
    this.#joined = 0;
    this.#next();
  };

  /** The first ones that have no key in common. */
  #take(most: number): readonly Call[] {
    if (this.#waiting.length === 1) return this.#waiting.splice(0);
    const taken: Call[] = [];
    const left: Call[] = [];
    const keys = new Set<string>();
    const size = Math.min(most, this.maxSize);
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
