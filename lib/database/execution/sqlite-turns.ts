import { AsyncLocalStorage } from 'node:async_hooks';

import type { DataSource, EntityManager } from 'typeorm';

import { occupiedConnectionError } from './execution-errors.js';

/** The methods of a manager that begin a transaction. Those of a repository call them. */
const BEGINNING_METHODS = ['transaction', 'save', 'remove', 'softRemove', 'recover'] as const;
/** Its other methods that write. Outside of a transaction each of them is one statement, and takes no turn. */
const WRITING_METHODS = [
  ...(['insert', 'update', 'upsert', 'delete', 'softDelete', 'restore', 'clear'] as const),
  ...(['increment', 'decrement', 'query'] as const),
];

type Method = (typeof BEGINNING_METHODS | typeof WRITING_METHODS)[number];

interface Turn {
  /** A transaction runs alone. Statements of this package, each of which is its own transaction, run beside each other. */
  readonly isAlone: boolean;
  /** The turn, or the call within one, that this call was made in; `null` for a turn. */
  readonly outer: Turn | null;
  /** The calls that were begun inside, until each of them and its own parts have ended. None of these promises rejects. */
  readonly parts: Map<Turn, Promise<unknown>>;
  isOver: boolean;
}

const turn = (isAlone: boolean, outer: Turn | null = null): Turn => ({
  isAlone,
  outer,
  parts: new Map(),
  isOver: false,
});

/** Lets the calls that a part of a turn makes from now on take turns of their own. */
function detachPart(part: Turn): void {
  part.isOver = true;
  for (const inner of part.parts.keys()) detachPart(inner);
}

interface Waiter {
  readonly turn: Turn;
  readonly begin: () => void;
}

const turnsOfManagers = new WeakMap<EntityManager, SqliteTurns>();
/** The turns of the managers that transactions hand to the application. */
const turnOfManager = new WeakMap<EntityManager, Turn>();

/** The turn itself or the innermost one around it that is not over. */
function innermostOpenTurn(innermost: Turn | undefined): Turn | null {
  let open = innermost ?? null;
  while (open?.isOver) open = open.outer;
  return open;
}

/**
 * Lets the transactions of an application on SQLite run one after the other, and no statement of this package beside one of them.
 *
 * TypeORM has one query runner for all calls on SQLite. Of two transactions that are begun at once, the second BEGIN fails, and its
 * ROLLBACK ends the first one, whose later statements are committed one by one: a payment without its used proof. One that begins a
 * moment later becomes a savepoint of the first, which is reported as committed while the other may still roll it back. The
 * promise of `use(id, { manager })` cannot be kept by statements of this package alone, so that the transactions themselves
 * have to wait. PostgreSQL, MariaDB and MySQL give each transaction a connection of its own, and have no turns.
 *
 * A turn lasts until every call that was begun inside of it has ended, awaited or not. A `save` that `Promise.all` has left behind would
 * otherwise go on inside the transaction of the next person, and its ROLLBACK TO SAVEPOINT undo the use of that person's proof.
 */
export class SqliteTurns {
  readonly #current = new AsyncLocalStorage<Turn>();
  readonly #running = new Set<Turn>();
  readonly #waiting: Waiter[] = [];

  /** @param timeoutMs how long a transaction waits at most. The first module on a data source decides. */
  private constructor(
    manager: EntityManager,
    private readonly timeoutMs: number,
  ) {
    this.#replaceMethods(manager, BEGINNING_METHODS, (work) =>
      this.#run(turn(true), timeoutMs, work),
    );
  }

  /** The turns of a data source, whose transactions take them from the first call on. */
  static of({ manager }: DataSource, timeoutMs: number): SqliteTurns {
    const turns = turnsOfManagers.get(manager) ?? new SqliteTurns(manager, timeoutMs);
    turnsOfManagers.set(manager, turns);
    return turns;
  }

  /** Whether the call was made within a turn, or within a part of one, that is not over. */
  get isInside(): boolean {
    return innermostOpenTurn(this.#current.getStore()) !== null;
  }

  /** Whether the transaction that handed out this manager is over. The only query runner may be in the one of another call by then. */
  static hasEnded(manager: EntityManager): boolean {
    const own = turnOfManager.get(manager);
    return own !== undefined && innermostOpenTurn(own) === null;
  }

  /**
   * Runs a statement of this package beside no transaction that takes turns.
   *
   * @throws TwoFactorUnavailableError when its turn does not come in time.
   */
  runStatement<T>(waitMs: number, work: () => Promise<T>): Promise<T> {
    return this.#run(turn(false), waitMs, work);
  }

  /** Runs work at once as a part of the turn that the call was made in, which lasts until the work has ended. */
  runInside<T>(
    work: () => Promise<T>,
    outer = innermostOpenTurn(this.#current.getStore()),
  ): Promise<T> {
    if (outer === null) return work();
    const part = turn(true, outer);
    const result = this.#current.run(part, work);
    const end = (): Promise<void> | undefined => {
      part.isOver = true;
      return this.#untilPartsEnd(part);
    };
    const whole = result.then(end, end).then(() => outer.parts.delete(part));
    outer.parts.set(part, whole);
    return result;
  }

  /** Replaces methods of a manager, so that their calls are parts of the turn that they are made in. Elsewhere `begin` decides. */
  #replaceMethods(
    manager: EntityManager,
    names: readonly Method[],
    begin: (work: () => Promise<unknown>) => Promise<unknown>,
  ): void {
    for (const name of names) {
      const method = manager[name] as (...args: unknown[]) => Promise<unknown>;
      const value = async (...args: unknown[]): Promise<unknown> => {
        const own =
          name === 'transaction' ? args.map((arg) => this.#wrapTransactionCallback(arg)) : args;
        const work = (): Promise<unknown> => method.apply(manager, own);
        // The manager of a transaction belongs to it, also in a callback that Node.js runs in another context.
        const outer =
          innermostOpenTurn(this.#current.getStore()) ??
          innermostOpenTurn(turnOfManager.get(manager));
        // TypeORM makes it a part of the open transaction, or begins one where a subscriber calls after the COMMIT. If it waited for a
        // turn, it would wait for the end of the one that it is made in.
        return outer === null ? begin(work) : this.runInside(work, outer);
      };
      Object.defineProperty(manager, name, { value, writable: true, configurable: true });
    }
  }

  /**
   * The function that an application runs in a transaction, which also waits for what was begun inside of it. TypeORM would otherwise take
   * COMMIT or ROLLBACK for the end of a savepoint that such a call has open, and that call would commit what is to be rolled back.
   */
  #wrapTransactionCallback(work: unknown): unknown {
    if (typeof work !== 'function') return work;
    return async (manager: EntityManager): Promise<unknown> => {
      const open = innermostOpenTurn(this.#current.getStore());
      if (open !== null && !turnOfManager.has(manager)) {
        turnOfManager.set(manager, open);
        this.#replaceMethods(manager, BEGINNING_METHODS, (call) =>
          this.#run(turn(true), this.timeoutMs, call),
        );
        this.#replaceMethods(manager, WRITING_METHODS, (call) => call());
      }
      try {
        return await (work as (within: EntityManager) => unknown)(manager);
      } finally {
        if (open !== null) await this.#untilPartsEnd(open);
      }
    };
  }

  /** Waits half of the time that a transaction waits, so that those behind this one get their turn, whatever never ends. */
  #untilPartsEnd({ parts }: Turn): Promise<void> | undefined {
    if (parts.size === 0) return undefined;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        // What has not ended is not waited for a second time, at the end of the turn.
        parts.clear();
        resolve();
      };
      const giveUp = (): void => {
        for (const part of parts.keys()) detachPart(part);
        end();
      };
      const timer = setTimeout(giveUp, this.timeoutMs / 2);
      const wait = (): void => {
        if (parts.size === 0) end();
        else void Promise.all(parts.values()).then(wait);
      };
      wait();
    });
  }

  async #run<T>(own: Turn, waitMs: number, work: () => Promise<T>): Promise<T> {
    if (!(await this.#take(own, waitMs))) throw occupiedConnectionError(this.isInside);
    try {
      // Only a transaction has work of the application in it, whose calls have to be recognised.
      return await (own.isAlone ? this.#current.run(own, work) : work());
    } finally {
      own.isOver = true;
      const partsEnd = this.#untilPartsEnd(own);
      // The answer does not wait: the transaction is committed, or rolled back.
      if (partsEnd === undefined) this.#end(own);
      else void partsEnd.then(() => this.#end(own));
    }
  }

  #end(own: Turn): void {
    this.#running.delete(own);
    this.#beginNext();
    // Until it is disabled, Node 20 spends four times as long on every promise of the process. No other transaction uses it now: the
    // work of the next one has not begun yet, and enables it again.
    if (own.isAlone) this.#current.disable();
  }

  /** @returns whether the turn has come. In the order of the calls, so that no stream of transactions keeps a call waiting. */
  async #take(own: Turn, waitMs: number): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#mayRun(own)) {
      this.#running.add(own);
      return true;
    }
    return new Promise((resolve) => {
      const begin = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const waiter = { turn: own, begin };
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
        // What stood behind it may run beside what runs.
        this.#beginNext();
      };
      const timer = setTimeout(giveUp, Math.max(0, waitMs));
      this.#waiting.push(waiter);
    });
  }

  #mayRun({ isAlone }: Turn): boolean {
    if (isAlone) return this.#running.size === 0;
    for (const running of this.#running) if (running.isAlone) return false;
    return true;
  }

  #beginNext(): void {
    for (let [next] = this.#waiting; next && this.#mayRun(next.turn); [next] = this.#waiting) {
      this.#waiting.shift();
      this.#running.add(next.turn);
      next.begin();
    }
  }
}
