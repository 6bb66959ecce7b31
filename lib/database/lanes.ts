/**
 * One at a time for each key. Whatever waits for a row that somebody has locked waits with one connection, and not with
 * the whole pool: a session that can hold one row must not stop everybody else.
 */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** @param endsQueue after a failure: whether those who wait already fail with it, since they wait for the same thing. */
  async run<T>(
    key: string,
    work: () => Promise<T>,
    endsQueue: () => boolean = () => false,
  ): Promise<T> {
    const before = this.#tails.get(key);
    let isInherited = false;
    const turn =
      before === undefined
        ? work()
        : before.then((error) => {
            isInherited = error !== undefined;
            if (isInherited) throw error;
            return work();
          });
    const tail = turn.then(nothing, (error: unknown) =>
      isInherited || endsQueue() ? error : undefined,
    );
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
