import { AsyncResource } from 'node:async_hooks';

import { TwoFactorUnavailableError } from '../../errors/index.js';
import { noteNotCommitted } from './not-committed.js';
import type { HolderState } from './keyed-mutex.js';

/** The time by which a caller gets an answer, whatever the call waits for: the mutex, the pool, a row lock, the server. */
export class Deadline implements HolderState {
  /** When the call began, in milliseconds of `performance.now()`, which a change of the system clock does not move. */
  readonly startedAt: number;
  expired = false;
  /** Whether the deadline expired while the server was executing the statement. */
  timedOutOnServer = false;
  /**
   * Whether what the call writes may be committed: from the moment in which its COMMIT, or the one statement that is its own
   * transaction, is issued, until the server has refused it.
   */
  mayBeCommitted = false;
  /** Called when the deadline expires; `null` for nothing to do. */
  onExpire: (() => void) | null = null;
  /** The list that the deadline is in, until the call ends or the deadline expires. */
  list: Deadlines | null = null;
  /** The neighbours of this deadline in `list`, the earlier and the later one. */
  previous: Deadline | null = null;
  next: Deadline | null = null;

  /** @param outer the deadline of the whole call, for one of its statements. Both expire together. */
  constructor(
    private readonly reject: (error: unknown) => void,
    private readonly outer: Deadline | undefined,
  ) {
    this.startedAt = outer?.list ? outer.startedAt : performance.now();
  }

  /**
   * Notes that the server did not finish the statement, for the whole call too. `KeyedMutex` reads the note when the call holds the mutex
   * of a row, and refuses the calls that wait for the mutex. Without the note these calls would send their statements, and the server would
   * execute the statements after the calls were refused.
   */
  noteTimeoutOnServer(): void {
    this.timedOutOnServer = true;
    this.outer?.noteTimeoutOnServer();
  }

  /** Notes that what the call writes may be committed from now on, for the whole call too. */
  noteCommitIssued(): void {
    this.mayBeCommitted = true;
    this.outer?.noteCommitIssued();
  }

  /** Rejects the call. */
  fail(error: unknown): void {
    if (!this.mayBeCommitted) noteNotCommitted(error);
    this.reject(error);
  }

  expire(): void {
    this.expired = true;
    this.fail(databaseTimeoutError());
    this.onExpire?.();
  }
}

/**
 * Deadlines of equal length. The first to start is the first to expire, so that one timer is enough for all.
 *
 * They are a linked list, and an entry that leaves it keeps no reference. A `Set` that grows and shrinks leaves old tables
 * behind, each of which refers to the next one: once one of them is old, the young generation's collector keeps all that
 * follow, with the calls in them (test/unit/database/garbage.spec.ts).
 */
export class Deadlines {
  #first: Deadline | null = null;
  #last: Deadline | null = null;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = 0;

  constructor(private readonly timeoutMs: number) {}

  /**
   * @param outer the deadline of the whole call, when `work` is a part of it. The part expires in the same tick. With a full
   * time of its own it would outlive the call by some milliseconds, and a connection that the pool hands out just then would
   * execute a statement for a caller that has been refused.
   * @throws TwoFactorUnavailableError when `work` takes too long. It is not stopped: it reads `expired` before each step.
   */
  run<T>(work: (deadline: Deadline) => Promise<T>, outer?: Deadline): Promise<T> {
    if (outer?.expired) {
      const error = databaseTimeoutError();
      noteNotCommitted(error);
      return Promise.reject(error);
    }
    const list = outer?.list ?? this;
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(reject, outer);
      list.#add(deadline, outer);
      const inTime =
        <A>(settle: (answer: A) => void) =>
        (answer: A): void => {
          if (!deadline.expired) list.#remove(deadline);
          settle(answer);
        };
      work(deadline).then(
        inTime(resolve),
        inTime((error) => deadline.fail(error)),
      );
    });
  }

  #add(deadline: Deadline, outer: Deadline | undefined): void {
    deadline.list = this;
    if (outer?.list === this) {
      // Behind the outer one, so that the list remains in the order of the starts.
      deadline.previous = outer;
      deadline.next = outer.next;
      if (outer.next === null) this.#last = deadline;
      else outer.next.previous = deadline;
      outer.next = deadline;
      return;
    }
    if (this.#last === null) {
      // The fake timers of a test may have discarded the timer.
      const isLost = deadline.startedAt > this.#wakesAt;
      // A process with a waiting caller must not exit before the caller has its answer.
      if (this.#timer === undefined || isLost) this.#scheduleExpiry(this.timeoutMs);
      else this.#timer.ref();
      this.#first = deadline;
    } else {
      this.#last.next = deadline;
      deadline.previous = this.#last;
    }
    this.#last = deadline;
  }

  #remove(deadline: Deadline): void {
    const { previous: before, next: after } = deadline;
    if (before === null) this.#first = after;
    else before.next = after;
    if (after === null) this.#last = before;
    else after.previous = before;
    deadline.list = deadline.previous = deadline.next = null;
    if (this.#first === null) this.#timer?.unref();
  }

  /**
   * Sets the timer outside of any async context. Otherwise the context of the first caller, such as its request, would stay in memory
   * as long as calls come.
   */
  readonly #scheduleExpiry = AsyncResource.bind((ms: number): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#expireDue, ms);
    this.#wakesAt = performance.now() + ms;
  });

  readonly #expireDue = (): void => {
    this.#timer = undefined;
    const latestStart = performance.now() - this.timeoutMs;
    for (let first = this.#first; first !== null; first = this.#first) {
      const rest = first.startedAt - latestStart;
      if (rest > 0) {
        this.#scheduleExpiry(rest);
        return;
      }
      this.#remove(first);
      first.expire();
    }
  };
}

export function databaseTimeoutError(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'The database did not answer in time. If every connection of the pool waits for this one, call it outside of the ' +
      'transaction or enlarge the pool.',
  );
}
