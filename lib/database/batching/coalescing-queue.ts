/** A call that can be executed in one batch with others. */
export interface Batchable {
  /** The rows that it affects. Two calls with a key in common are never in the same batch. */
  readonly keys: readonly string[];
}

/** How long a large batch in flight delays queued calls at most. */
const BATCH_PATIENCE_MS = 20;
/**
 * How long a small batch or a single call in flight delays queued calls at most. It is shorter, because on a slow network waiting costs
 * more than batching saves.
 */
const SMALL_BATCH_PATIENCE_MS = 2;
/** A batch of this size is sent beside one that is in flight, so that the server works on one while the next is prepared. */
const MIN_PARALLEL_BATCH = 24;
const MAX_BATCHES_IN_FLIGHT = 2;

/**
 * Collects calls while others are in flight, and sends them as one batch when those have settled. A call that finds the
 * queue idle is sent at once, alone. Many calls are sent as two halves. A call waits at most 2 ms behind a small batch and
 * 20 ms behind a large one, and is then sent beside it.
 */
export class CoalescingQueue<Call extends Batchable> {
  #waiting: Call[] = [];
  /** The calls and the batches in flight that still delay queued calls. */
  #singlesInFlight = 0;
  #batchesInFlight = 0;
  /** Increased when the patience with the sends in flight is over. Sends of an earlier epoch are no longer counted. */
  #epoch = 0;
  /** Until when the latest send delays queued calls. */
  #waitUntil = 0;
  /** After a batch the next calls are likely to be several too: they are collected until the end of the tick. */
  #expectsMore = false;
  #tick: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param maxSingles how many single calls are in flight before further calls wait.
   * @param send settles the calls itself, and never rejects.
   * @param fit how many calls one batch takes when so many could go together.
   */
  constructor(
    private readonly maxSize: number,
    private readonly maxSingles: number,
    private readonly send: (calls: readonly Call[]) => Promise<unknown>,
    private readonly fit: (count: number) => number = (count) => count,
  ) {}

  add(call: Call): void {
    const maySendSingle = !this.#expectsMore && this.#singlesInFlight < this.maxSingles;
    if (maySendSingle && this.#waiting.length === 0) {
      this.#dispatch([call]);
      return;
    }
    this.#waiting.push(call);
    const isIdle = this.#batchesInFlight === 0 && this.#singlesInFlight === 0;
    if (isIdle || this.#mayRunInParallel) this.#scheduleDispatch();
    else this.#startPatience();
  }

  /**
   * Whether a second batch pays off. Not while `maxSingles` single calls are in flight: of many waiting calls for one row a batch takes
   * one at a time, and all of them would be sent at once, each as a single call.
   */
  get #mayRunInParallel(): boolean {
    const hasRoom = this.#batchesInFlight > 0 && this.#batchesInFlight < MAX_BATCHES_IN_FLIGHT;
    return (
      hasRoom &&
      this.#singlesInFlight < this.maxSingles &&
      this.#waiting.length >= MIN_PARALLEL_BATCH
    );
  }

  readonly #dispatchWaiting = (): void => {
    clearImmediate(this.#tick);
    clearTimeout(this.#timer);
    this.#tick = undefined;
    this.#timer = undefined;
    const { length } = this.#waiting;
    if (length === 0) return;
    const isSplit =
      this.#batchesInFlight === 0 && length >= MAX_BATCHES_IN_FLIGHT * MIN_PARALLEL_BATCH;
    const size = isSplit ? Math.ceil(length / MAX_BATCHES_IN_FLIGHT) : length;
    this.#dispatch(this.#takeDisjoint(size));
    if (this.#mayRunInParallel) this.#dispatch(this.#takeDisjoint(length));
    if (this.#waiting.length > 0) this.#startPatience();
  };

  #dispatch(calls: readonly Call[]): void {
    const isSingle = calls.length === 1;
    const epoch = this.#epoch;
    this.#expectsMore = !isSingle;
    this.#count(isSingle, 1);
    this.#waitUntil =
      performance.now() +
      (calls.length < MIN_PARALLEL_BATCH ? SMALL_BATCH_PATIENCE_MS : BATCH_PATIENCE_MS);
    void this.send(calls).finally(() => {
      // In a later epoch the counters are those of later sends: counted down now, they would become negative.
      if (epoch === this.#epoch) this.#onSettled(isSingle);
    });
  }

  #onSettled(isSingle: boolean): void {
    this.#count(isSingle, -1);
    const maySend = this.#batchesInFlight === 0 || this.#mayRunInParallel;
    if (maySend && this.#waiting.length > 0) this.#scheduleDispatch();
  }

  /** At the end of the tick, because callers that were just resolved often issue their next call immediately. */
  #scheduleDispatch(): void {
    this.#tick ??= setImmediate(this.#dispatchWaiting);
  }

  #count(isSingle: boolean, change: number): void {
    if (isSingle) this.#singlesInFlight += change;
    else this.#batchesInFlight += change;
  }

  /** Sets the timer without which one send that hangs would stop the whole queue. */
  #startPatience(): void {
    if (this.#timer !== undefined) return;
    const rest = this.#waitUntil - performance.now();
    this.#timer = setTimeout(this.#stopWaiting, Math.max(0, rest));
  }

  /** The patience is over: the queued calls no longer wait for the sends in flight, and are sent beside them. */
  readonly #stopWaiting = (): void => {
    this.#epoch += 1;
    this.#singlesInFlight = 0;
    this.#batchesInFlight = 0;
    this.#dispatchWaiting();
  };

  /**
   * The first waiting calls that have no key in common. In one statement, only one of two calls for a row would see the
   * row as the other leaves it.
   */
  #takeDisjoint(max: number): readonly Call[] {
    if (this.#waiting.length === 1) return this.#waiting.splice(0);
    const taken: Call[] = [];
    const left: Call[] = [];
    const keys = new Set<string>();
    const size = Math.min(max, this.maxSize);
    for (const call of this.#waiting) {
      if (taken.length < size && !call.keys.some((key) => keys.has(key))) {
        for (const key of call.keys) keys.add(key);
        taken.push(call);
      } else {
        left.push(call);
      }
    }
    const tooMany = taken.splice(this.fit(taken.length));
    this.#waiting = [...tooMany, ...left];
    return taken;
  }
}
