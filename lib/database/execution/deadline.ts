import { AsyncResource } from 'node:async_hooks';

import { TwoFactorUnavailableError } from '../../errors/index.js';
import type { HolderState } from './keyed-mutex.js';

/** How long a caller waits, whatever for: the pool, a lane, a lock, the answer. */
export class Deadline implements HolderState {
  /** Milliseconds of `performance.now()`: nobody sets that clock. */
  readonly startedAt = performance.now();
  expired = false;
  /** It passed while the server had the statement. */
  timedOutOnServer = false;
  /** What is to be done when it passes; `null` for nothing. */
  onExpire: (() => void) | null = null;
  /** Who came before and after, of those who wait. */
  before: Deadline | null = null;
  after: Deadline | null = null;

  constructor(private readonly reject: (error: unknown) => void) {}

  expire(): void {
    this.expired = true;
    this.reject(databaseTimeoutError());
    this.onExpire?.();
  }
}

/**
 * The deadlines of callers who all wait as long: the first to come is the first to pass, and one timer is enough.
 *
 * They are a list of their own, and whoever leaves it knows nobody in it any more. A `Set` that grows and shrinks leaves
 * tables behind of which each refers to the next one: as soon as one of them is old, the young collector keeps all that
 * follow, with the calls in them.
 */
export class Deadlines {
  #first: Deadline | null = null;
  #last: Deadline | null = null;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = 0;

  constructor(private readonly timeoutMs: number) {}

  /** @throws TwoFactorUnavailableError when `work` takes too long; the work goes on, and looks at `passed`. */
  run<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(reject);
      this.#add(deadline);
      const inTime =
        <A>(settle: (answer: A) => void) =>
        (answer: A): void => {
          if (!deadline.expired) this.#remove(deadline);
          settle(answer);
        };
      work(deadline).then(inTime(resolve), inTime(reject));
    });
  }

  #add(deadline: Deadline): void {
    if (this.#last === null) {
      // A test's fake timers may have taken it along.
      const isLost = deadline.startedAt > this.#wakesAt;
      // Whoever waits keeps the process alive.
      if (this.#timer === undefined || isLost) this.#wake(this.timeoutMs);
      else this.#timer.ref();
      this.#first = deadline;
    } else {
      this.#last.after = deadline;
      deadline.before = this.#last;
    }
    this.#last = deadline;
  }

  #remove(deadline: Deadline): void {
    const { before, after } = deadline;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    deadline.before = deadline.after = null;
    if (this.#first === null) this.#timer?.unref();
  }

  /** In nobody's context: else that of the first caller would be kept as long as anybody comes. */
  readonly #wake = AsyncResource.bind((ms: number): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#pass, ms);
    this.#wakesAt = performance.now() + ms;
  });

  readonly #pass = (): void => {
    this.#timer = undefined;
    const begun = performance.now() - this.timeoutMs;
    for (let first = this.#first; first !== null; first = this.#first) {
      const rest = first.startedAt - begun;
      if (rest > 0) {
        this.#wake(rest);
        return;
      }
      this.#remove(first);
      first.expire();
    }
  };
}

export function databaseTimeoutError(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}
