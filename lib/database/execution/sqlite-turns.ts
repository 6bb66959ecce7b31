import { AsyncLocalStorage } from 'node:async_hooks';

import type { DataSource, EntityManager } from 'typeorm';

import { occupiedConnectionError } from './execution-errors.js';

/** The methods of a manager that begin a transaction. Those of a repository call them. */
const BEGINNING = ['transaction', 'save', 'remove', 'softRemove', 'recover'] as const;

interface Turn {
  /** A transaction runs alone. Statements of this package, each of which is its own transaction, run beside each other. */
  readonly isAlone: boolean;
  isOver: boolean;
}

interface Waiter {
  readonly turn: Turn;
  readonly begin: () => void;
}

const turnsOfManagers = new WeakMap<EntityManager, SqliteTurns>();

/**
 * Lets the transactions of an application on SQLite run one after the other, and no statement of this package beside one of them.
 *
 * TypeORM has one query runner for all calls on SQLite. Of two transactions that are begun at once, the second BEGIN fails, and its
 * ROLLBACK ends the first one, whose later statements are committed one by one: a payment without its used proof. One that begins a
 * moment later becomes a savepoint of the first, which is reported as committed while the other may still roll it back. The
 * promise of `use(id, { manager })` cannot be kept by statements of this package alone, so that the transactions themselves
 * have to wait. PostgreSQL, MariaDB and MySQL give each transaction a connection of its own, and have no turns.
 */
export class SqliteTurns {
  readonly #current = new AsyncLocalStorage<Turn>();
  readonly #running = new Set<Turn>();
  readonly #waiting: Waiter[] = [];

  /** @param timeoutMs how long a transaction waits at most. The first module on a data source decides. */
  private constructor(manager: EntityManager, timeoutMs: number) {
    for (const name of BEGINNING) {
      const begin = manager[name] as (...args: unknown[]) => Promise<unknown>;
      const value = async (...args: unknown[]): Promise<unknown> => {
        const work = (): Promise<unknown> => begin.apply(manager, args);
        // Within a transaction TypeORM makes it a part of that one. It would wait for itself here.
        if (this.isInside) return work();
        return this.#run({ isAlone: true, isOver: false }, timeoutMs, work);
      };
      Object.defineProperty(manager, name, { value, writable: true, configurable: true });
    }
  }

  /** The turns of a data source, whose transactions take them from the first call on. */
  static of({ manager }: DataSource, timeoutMs: number): SqliteTurns {
    const turns = turnsOfManagers.get(manager) ?? new SqliteTurns(manager, timeoutMs);
    turnsOfManagers.set(manager, turns);
    return turns;
  }

  /** Whether the call was made within a turn that is not over. */
  get isInside(): boolean {
    return this.#current.getStore()?.isOver === false;
  }

  /**
   * Runs a statement of this package beside no transaction that takes turns.
   *
   * @throws TwoFactorUnavailableError when its turn does not come in time.
   */
  runStatement<T>(waitMs: number, work: () => Promise<T>): Promise<T> {
    return this.#run({ isAlone: false, isOver: false }, waitMs, work);
  }

  async #run<T>(turn: Turn, waitMs: number, work: () => Promise<T>): Promise<T> {
    if (!(await this.#take(turn, waitMs))) throw occupiedConnectionError(this.isInside);
    try {
      // Only a transaction has work of the application in it, whose calls have to be recognised.
      return await (turn.isAlone ? this.#current.run(turn, work) : work());
    } finally {
      turn.isOver = true;
      this.#running.delete(turn);
      this.#beginNext();
      // Until it is disabled, Node 20 spends four times as long on every promise of the process. No other transaction uses it now: the
      // work of the next one has not begun yet, and enables it again.
      if (turn.isAlone) this.#current.disable();
    }
  }

  /** @returns whether the turn has come. In the order of the calls, so that no stream of transactions keeps a call waiting. */
  async #take(turn: Turn, waitMs: number): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#mayRun(turn)) {
      this.#running.add(turn);
      return true;
    }
    return new Promise((resolve) => {
      const begin = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const waiter = { turn, begin };
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
