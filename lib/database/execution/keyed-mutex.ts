/** What those who wait behind a call have to do with its failure. */
export interface HolderState {
  /** Whether they fail with it, since they wait for the same thing. */
  readonly timedOutOnServer: boolean;
  /** Whether its own caller was told already: who comes after that waits anew. */
  readonly expired: boolean;
}

interface QueueTail {
  /** When it has ended; with the error that those who wait for it fail with. */
  done: Promise<unknown>;
  end: HolderState;
}

const NEVER_STUCK: HolderState = { timedOutOnServer: false, expired: false };
const DONE = Promise.resolve();

/**
 * One at a time for each key. Whatever waits for a row that somebody has locked waits with one connection, and not with
 * the whole pool: a session that can hold one row must not stop everybody else.
 */
export class KeyedMutex {
  readonly #tails = new Map<string, QueueTail>();

  run<T>(key: string, work: () => Promise<T>, end: HolderState = NEVER_STUCK): Promise<T> {
    const before = this.#tails.get(key);
    if (before === undefined) {
      const turn = work();
      this.#follow(key, turn, end, () => false);
      return turn;
    }
    // Read now: whether it passes later is another question.
    const waitsAnew = before.end.expired;
    let isInherited = false;
    const turn = before.done.then((error) => {
      isInherited = error !== undefined && !waitsAnew;
      if (isInherited) throw error;
      return work();
    });
    this.#follow(key, turn, end, () => isInherited);
    return turn;
  }

  /** Puts it at the end of its lane, until it has ended. */
  #follow(key: string, turn: Promise<unknown>, end: HolderState, isInherited: () => boolean): void {
    const tail: QueueTail = { end, done: turn };
    const leave = (): void => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      // A Map that shrinks leaves its old tables behind, each of which knows the next one: what is in them is kept with them,
      // also who had somebody behind him. Whoever waits has taken what he needs of it.
      tail.done = DONE;
      tail.end = NEVER_STUCK;
    };
    tail.done = turn.then(leave, (error: unknown) => {
      leave();
      return isInherited() || end.timedOutOnServer ? error : undefined;
    });
    this.#tails.set(key, tail);
  }

  /** How many keys have work under way. */
  get size(): number {
    return this.#tails.size;
  }
}
