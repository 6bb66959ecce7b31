import type { Scheduler } from 'fast-check';
import type { DataSource } from 'typeorm';

import { interceptStatements } from './intercept-statements.js';

/**
 * Lets a scheduler say in which order the statements of concurrent calls run: each waits at a gate, and the next one is
 * let through when the one before it is done and its call has come to its next gate, or to its end. A transaction
 * passes as one.
 */
export class Interleaver {
  #scheduler: Scheduler | undefined;
  /** Calls that are neither at a gate nor at their end. */
  #busy = 0;
  #whenIdle: (() => void) | undefined;

  /** The statements of this data source wait, as long as calls are being interleaved. */
  gate(dataSource: DataSource): void {
    interceptStatements(dataSource, async (sql, run, runner) => {
      if (this.#scheduler !== undefined && !runner.isTransactionActive) {
        await this.#wait(this.#scheduler, sql);
      }
      return run();
    });
  }

  /** Each call must be on a data source of its own, so that none waits for another anywhere but at its gate. */
  async run<T>(scheduler: Scheduler, calls: readonly (() => Promise<T>)[]): Promise<T[]> {
    this.#scheduler = scheduler;
    try {
      const answers: Promise<T>[] = [];
      for (const call of calls) {
        this.#busy += 1;
        answers.push(call().finally(() => this.#rest()));
        await this.#idle();
      }
      while (scheduler.count() > 0) await scheduler.waitOne();
      return await Promise.all(answers);
    } finally {
      this.#scheduler = undefined;
    }
  }

  async #wait(scheduler: Scheduler, sql: string): Promise<void> {
    const [verb = ''] = sql.trim().split(' ', 1);
    const passed = scheduler.schedule(Promise.resolve(), verb, undefined, async (letGo) => {
      this.#busy += 1;
      await letGo();
      await this.#idle();
    });
    this.#rest();
    await passed;
  }

  #rest(): void {
    this.#busy -= 1;
    if (this.#busy === 0) this.#whenIdle?.();
  }

  async #idle(): Promise<void> {
    if (this.#busy === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }
}
