import { TwoFactorUnavailableError } from '../errors/index.js';
import type { LaneEnd } from './lanes.js';

/** How long a caller waits, whatever for: the pool, a lane, a lock, the answer. */
export class Deadline implements LaneEnd {
  readonly startedAt = Date.now();
  passed = false;
  /** It passed while the server had the statement. */
  isStuck = false;
  #onPass: (() => void)[] = [];

  private constructor() {}

  /** @throws TwoFactorUnavailableError when `work` takes longer than `timeoutMs`; the work goes on, and looks at `passed`. */
  static run<T>(timeoutMs: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline();
      const timer = setTimeout(() => {
        deadline.passed = true;
        reject(tooLate());
        for (const callback of deadline.#onPass) callback();
      }, timeoutMs);
      work(deadline)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  /** Calls back when it passes. @returns what takes that back. */
  onPass(callback: () => void): () => void {
    this.#onPass.push(callback);
    return () => {
      this.#onPass = this.#onPass.filter((each) => each !== callback);
    };
  }
}

export function tooLate(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}
