/** The call that holds the mutex of a key: how its failure affects the calls that are queued behind it. */
export interface HolderState {
  /** Whether its statement hung on the server. The calls queued behind it would wait for the same row, and fail with it. */
  readonly timedOutOnServer: boolean;
  /** Whether the caller has already timed out. Later calls then start with a fresh wait. */
  readonly expired: boolean;
}

interface QueueTail {
  /** Resolves when the call has ended, with the error that the calls queued behind it fail with. */
  done: Promise<unknown>;
  holder: HolderState;
}

const NEVER_STUCK: HolderState = { timedOutOnServer: false, expired: false };
const DONE = Promise.resolve();

/**
 * Runs one call at a time for each key. Calls for one row wait here instead of on the server, where each of them would
 * occupy a connection: a session that keeps one row locked could otherwise exhaust the pool.
 */
export class KeyedMutex {
  readonly #tails = new Map<string, QueueTail>();

  run<T>(key: string, work: () => Promise<T>, holder: HolderState = NEVER_STUCK): Promise<T> {
    const before = this.#tails.get(key);
    if (before === undefined) {
      const turn = work();
      this.#append(key, turn, holder, () => false);
      return turn;
    }
    // Read before the wait: a call that joins the queue after the call before it has timed out starts a wait of its own. A call
    // that was queued before that fails together with it.
    const startsFresh = before.holder.expired;
    let isInherited = false;
    const turn = before.done.then((error) => {
      isInherited = error !== undefined && !startsFresh;
      if (isInherited) throw error;
      return work();
    });
    this.#append(key, turn, holder, () => isInherited);
    return turn;
  }

  /** Makes a call the tail of its queue until it has ended. */
  #append(
    key: string,
    turn: Promise<unknown>,
    holder: HolderState,
    isInherited: () => boolean,
  ): void {
    const tail: QueueTail = { holder, done: turn };
    const leave = (): void => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      // A Map that shrinks keeps its old tables, and these keep the tail. An emptied tail keeps no call in memory: the calls
      // queued behind it have read both members already.
      tail.done = DONE;
      tail.holder = NEVER_STUCK;
    };
    tail.done = turn.then(leave, (error: unknown) => {
      leave();
      return isInherited() || holder.timedOutOnServer ? error : undefined;
    });
    this.#tails.set(key, tail);
  }
}
