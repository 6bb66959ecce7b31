import type { LimitClass } from '../../options/index.js';

/** Messages of purposes with a subject go first: a stranger chooses the recipients of the class `open`. */
const PRECEDENCE: readonly LimitClass[] = ['bound', 'open'];

type Waiting = ((isFree: boolean) => void)[];

/**
 * Lets a number of calls run concurrently. Further calls wait, and run in the order in which they came, those of the class `bound`
 * first. Beside as many calls of the class `open` as there are slots, one `bound` call runs.
 */
export class Slots {
  readonly #waiting: Readonly<Record<LimitClass, Waiting>> = { bound: [], open: [] };
  readonly #running = { bound: 0, open: 0 };
  #isClosed = false;

  constructor(private readonly count: number) {}

  /** How many calls of a class wait. */
  waiting(limitClass: LimitClass): number {
    return this.#waiting[limitClass].length;
  }

  /** @returns false once it is closed: then nothing may begin. Otherwise call `release` with the same class afterwards. */
  acquire(limitClass: LimitClass): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#isFree(limitClass)) {
      this.#running[limitClass] += 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => this.#waiting[limitClass].push(resolve));
  }

  release(limitClass: LimitClass): void {
    this.#running[limitClass] -= 1;
    const next = PRECEDENCE.find((each) => this.waiting(each) > 0 && this.#isFree(each));
    if (next === undefined) return;
    this.#running[next] += 1;
    this.#waiting[next].shift()!(true);
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
    return bound + open < this.count || (limitClass === 'bound' && bound === 0);
  }
}
