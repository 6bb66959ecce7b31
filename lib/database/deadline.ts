import { TwoFactorUnavailableError } from '../errors/index.js';
import type { LaneEnd } from './lanes.js';

/** How long a caller waits, whatever for: the pool, a lane, a lock, the answer. */
export class Deadline implements LaneEnd {
  readonly startedAt = Date.now();
  passed = false;
  /** It passed while the server had the statement. */
  isStuck = false;
  #onPass: (() => void) | null = null;

  private constructor() {}

  /** @throws TwoFactorUnavailableError when `work` takes longer than `timeoutMs`; the work goes on, and looks at `passed`. */
  static run<T>(timeoutMs: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline();
      const timer = setTimeout(() => {
        deadline.passed = true;
        reject(tooLate());
        deadline.#onPass?.();
      }, timeoutMs);
      const inTime =
        <A>(settle: (answer: A) => void) =>
        (answer: A): void => {
          clearTimeout(timer);
          settle(answer);
        };
      work(deadline).then(inTime(resolve), inTime(reject));
    });
  }

  /** What is to be done when it passes, instead of what was before; `null` for nothing. */
  set onPass(callback: (() => void) | null) {
    this.#onPass = callback;
  }
}

export function tooLate(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}
