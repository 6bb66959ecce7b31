/** Lets a number of calls run concurrently. Further calls wait, and run in the order in which they came. */
export class Slots {
  readonly #waiting: ((isFree: boolean) => void)[] = [];
  #free: number;
  #isClosed = false;

  constructor(count: number) {
    this.#free = count;
  }

  /** How many calls wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @returns false once it is closed: then nothing may begin. Otherwise call `release` afterwards. */
  acquire(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next(true);
  }

  /** Refuses everything that waits, and all that comes. What runs goes on. */
  close(): void {
    this.#isClosed = true;
    for (const refuse of this.#waiting.splice(0)) refuse(false);
  }
}
