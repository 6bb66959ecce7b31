import { AsyncResource } from 'node:async_hooks';

import { TwoFactorUnavailableError } from '../errors/index.js';
import type { LaneEnd } from './lanes.js';

/** How long a caller waits, whatever for: the pool, a lane, a lock, the answer. */
export class Deadline implements LaneEnd {
  /** Milliseconds of `performance.now()`: nobody sets that clock. */
  readonly startedAt = performance.now();
  passed = false;
  /** It passed while the server had the statement. */
  isStuck = false;
  /** What is to be done when it passes; `null` for nothing. */
  onPass: (() => void) | null = null;

  constructor(private readonly reject: (error: unknown) => void) {}

  pass(): void {
    this.passed = true;
    this.reject(tooLate());
    this.onPass?.();
  }
}

/** The deadlines of callers who all wait as long: the first to come is the first to pass, and one timer is enough. */
export class Deadlines {
  readonly #waiting = new Set<Deadline>();
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
          this.#remove(deadline);
          settle(answer);
        };
      work(deadline).then(inTime(resolve), inTime(reject));
    });
  }

  #add(deadline: Deadline): void {
    if (this.#waiting.size === 0) {
      // A test's fake timers may have taken it along.
      const isLost = deadline.startedAt > this.#wakesAt;
      // Whoever waits keeps the process alive.
      if (this.#timer === undefined || isLost) this.#wake(this.timeoutMs);
      else this.#timer.ref();
    }
    this.#waiting.add(deadline);
  }

  #remove(deadline: Deadline): void {
    this.#waiting.delete(deadline);
    if (this.#waiting.size === 0) this.#timer?.unref();
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
    for (const deadline of this.#waiting) {
      const rest = deadline.startedAt - begun;
      if (rest > 0) {
        this.#wake(rest);
        return;
      }
      this.#waiting.delete(deadline);
      deadline.pass();
    }
  };
}

export function tooLate(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}
