/** Something that can be done together with others of its kind. */
export interface Batchable {
  /** What it touches: two with one of these in common never go together. */
  readonly keys: readonly string[];
}

/** Whatever is that long on the wire holds nobody back any more: many, */
const BATCH_PATIENCE_MS = 20;
/** and few, or a lone one: where the server is far away, waiting for them costs more than going together gains. */
const SMALL_BATCH_PATIENCE_MS = 2;
/** So many are worth a statement of their own while another one is on the wire: the server works while we do. */
const MIN_PARALLEL_BATCH = 24;
/** Statements of several that are on the wire at once. */
const MAX_BATCHES_IN_FLIGHT = 2;

/**
 * Where calls wait while others are on the wire, to go as one when those are back. A lone one goes at once, and by itself.
 * Many go as two halves. Nobody waits longer than 2 ms behind few, and 20 ms behind many: then the next ones go beside
 * whatever is out.
 */
export class CoalescingQueue<Call extends Batchable> {
  #waiting: Call[] = [];
  /** How many of one are on the wire, and of several, as long as they hold the others back. */
  #singlesInFlight = 0;
  #batchesInFlight = 0;
  /** Those that went in an earlier one hold nobody back any more. */
  #epoch = 0;
  /** Until when those that went last hold the others back. */
  #waitUntil = 0;
  /** Where several went together there are soon several again: they are waited for until the end of the tick. */
  #expectsMore = false;
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
    if (!this.#expectsMore && this.#singlesInFlight < this.lone && this.#waiting.length === 0) {
      this.#dispatch([call]);
      return;
    }
    this.#waiting.push(call);
    const isFree = this.#batchesInFlight === 0 && this.#singlesInFlight === 0;
    if (isFree || this.#areEnough) this.#scheduleDispatch();
    else this.#waitAtMost();
  }

  /** Whether those that wait are worth a statement beside the one that is out. Many for one thing still go one by one. */
  get #areEnough(): boolean {
    const isOut = this.#batchesInFlight > 0 && this.#batchesInFlight < MAX_BATCHES_IN_FLIGHT;
    return isOut && this.#singlesInFlight < this.lone && this.#waiting.length >= MIN_PARALLEL_BATCH;
  }

  readonly #next = (): void => {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    const { length } = this.#waiting;
    if (length === 0) return;
    const areTwice =
      this.#batchesInFlight === 0 && length >= MAX_BATCHES_IN_FLIGHT * MIN_PARALLEL_BATCH;
    this.#dispatch(
      this.#takeDisjoint(areTwice ? Math.ceil(length / MAX_BATCHES_IN_FLIGHT) : length),
    );
    if (this.#areEnough) this.#dispatch(this.#takeDisjoint(length));
    if (this.#waiting.length > 0) this.#waitAtMost();
  };

  #dispatch(calls: readonly Call[]): void {
    const isLone = calls.length === 1;
    const epoch = this.#epoch;
    this.#expectsMore = !isLone;
    this.#count(isLone, 1);
    this.#waitUntil =
      performance.now() +
      (calls.length < MIN_PARALLEL_BATCH ? SMALL_BATCH_PATIENCE_MS : BATCH_PATIENCE_MS);
    void this.send(calls).finally(() => {
      // Else it took too long, and others went since.
      if (epoch === this.#epoch) this.#onSettled(isLone);
    });
  }

  #onSettled(isLone: boolean): void {
    this.#count(isLone, -1);
    const mayGo = this.#batchesInFlight === 0 || this.#areEnough;
    if (mayGo && this.#waiting.length > 0) this.#scheduleDispatch();
  }

  /** At the end of the tick: whoever was just answered may have more to say at once. */
  #scheduleDispatch(): void {
    this.#tick ??= setImmediate(this.#next);
  }

  #count(isLone: boolean, more: number): void {
    if (isLone) this.#singlesInFlight += more;
    else this.#batchesInFlight += more;
  }

  #waitAtMost(): void {
    if (this.#timer !== undefined) return;
    const rest = this.#waitUntil - performance.now();
    this.#timer = setTimeout(this.#stopWaiting, Math.max(0, rest));
  }

  readonly #stopWaiting = (): void => {
    this.#epoch += 1;
    this.#singlesInFlight = 0;
    this.#batchesInFlight = 0;
    this.#next();
  };

  /** The first ones that have no key in common. */
  #takeDisjoint(most: number): readonly Call[] {
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
