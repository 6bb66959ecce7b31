import type { LimitClass } from '../../options/index.js';
import { LIMIT_CLASSES } from './delivery.store.js';

type Waiter = (isFree: boolean) => void;

/**
 * Lets a number of calls run concurrently. Further calls wait, and run in the order in which they came, those of the class `bound`
 * first. Beside as many calls of one class as there are slots, one call of the other class runs: slow recipients of one class
 * cannot hold up the other.
 */
export class Slots {
  readonly #waiting: Readonly<Record<LimitClass, Waiter[]>> = { bound: [], open: [] };
  readonly #running = { bound: 0, open: 0 };
  #isClosed = false;

  constructor(private readonly count: number) {}

  /** How many calls of a class wait. */
  waiting(limitClass: LimitClass): number {
    return this.#waiting[limitClass].length;
  }

  /**
   * @param waitMs the longest wait for a slot, in milliseconds. Absent: no limit.
   * @returns false once it is closed, and after the wait: then nothing may begin. Otherwise call `release` with the same class
   * afterwards.
   */
  acquire(limitClass: LimitClass, waitMs?: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#isFree(limitClass)) {
      this.#running[limitClass] += 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const timer = waitMs === undefined ? undefined : setTimeout(() => leave(), waitMs);
      const waiter: Waiter = (isFree) => {
        clearTimeout(timer);
        resolve(isFree);
      };
      const leave = (): void => {
        const waiting = this.#waiting[limitClass];
        waiting.splice(waiting.indexOf(waiter), 1);
        resolve(false);
      };
      this.#waiting[limitClass].push(waiter);
    });
  }

  release(limitClass: LimitClass): void {
    this.#running[limitClass] -= 1;
    const next = LIMIT_CLASSES.find((each) => this.waiting(each) > 0 && this.#isFree(each));
    if (next === undefined) return;
    this.#running[next] += 1;
    this.#waiting[next].shift()!(true);
  }

  /**
   * Runs work in a slot.
   *
   * @param work is called with false when the application stops before a slot is free, or `waitMs` have passed.
   */
  async run<T>(
    limitClass: LimitClass,
    work: (isFree: boolean) => Promise<T>,
    waitMs?: number,
  ): Promise<T> {
    const isFree = await this.acquire(limitClass, waitMs);
    try {
      return await work(isFree);
    } finally {
      if (isFree) this.release(limitClass);
    }
  }

  /** Refuses everything that waits, and all that comes. What runs goes on. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of Object.values(this.#waiting)) {
      for (const refuse of waiting.splice(0)) refuse(false);
    }
  }

  #isFree(limitClass: LimitClass): boolean {
    const { bound, open } = this.#running;
    return bound + open < this.count || this.#running[limitClass] === 0;
  }
}
