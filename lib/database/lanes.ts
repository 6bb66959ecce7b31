/** What those who wait behind a call have to do with its failure. */
export interface LaneEnd {
  /** Whether they fail with it, since they wait for the same thing. */
  readonly isStuck: boolean;
  /** Whether its own caller was told already: who comes after that waits anew. */
  readonly passed: boolean;
}

interface Tail {
  readonly done: Promise<unknown>;
  readonly end: LaneEnd;
}

const NEVER_STUCK: LaneEnd = { isStuck: false, passed: false };

/**
 * One at a time for each key. Whatever waits for a row that somebody has locked waits with one connection, and not with
 * the whole pool: a session that can hold one row must not stop everybody else.
 */
export class Lanes {
  readonly #tails = new Map<string, Tail>();

  async run<T>(key: string, work: () => Promise<T>, end: LaneEnd = NEVER_STUCK): Promise<T> {
    const before = this.#tails.get(key);
    // Read now: whether it passes later is another question.
    const waitsAnew = before?.end.passed ?? false;
    let isInherited = false;
    const turn =
      before === undefined
        ? work()
        : before.done.then((error) => {
            isInherited = error !== undefined && !waitsAnew;
            if (isInherited) throw error;
            return work();
          });
    const done = turn.then(nothing, (error: unknown) =>
      isInherited || end.isStuck ? error : undefined,
    );
    const tail = { done, end };
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
