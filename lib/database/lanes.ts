/**
 * One at a time for each key. Whatever waits for a row that somebody has locked waits with one connection, and not with
 * the whole pool: a session that can hold one row must not stop everybody else.
 */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const turn = before === undefined ? work() : before.then(work);
    const tail = turn.then(nothing, nothing);
    this.#tails.set(key, tail);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  /** How many keys have work under way. */
  get size(): number {
    return this.#tails.size;
  }
}

function nothing(): void {}
