import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import type { Answer, FromWorker, Job, Opening, ToWorker } from './protocol.js';

/** A round that takes longer than this has a call that never ends. */
const DEADLINE_MS = 180_000;

/** What a round gave. */
export interface Results {
  readonly answers: readonly Answer[];
  /** Made by naive calls. */
  readonly comparisons: number;
}

class Worker {
  readonly #child: ChildProcess;

  constructor(private readonly number: number) {
    this.#child = fork(new URL('worker.js', import.meta.url), [String(number)]);
  }

  /** Says something, and waits for the one answer to it. */
  async ask(message: ToWorker): Promise<FromWorker> {
    const answer = new Promise<FromWorker>((resolve, reject) => {
      const end = (error: Error | null, reply?: FromWorker): void => {
        clearTimeout(timer);
        this.#child.off('message', onMessage);
        this.#child.off('exit', onExit);
        if (error) reject(error);
        else resolve(reply!);
      };
      const onMessage = (reply: FromWorker): void => {
        const failure = reply.type === 'failed' ? `: ${reply.what}` : null;
        end(failure === null ? null : new Error(`Process ${this.number} failed${failure}`), reply);
      };
      const onExit = (): void => end(new Error(`Process ${this.number} ended.`));
      const timer = setTimeout(() => {
        end(new Error(`Process ${this.number} did not answer "${message.type}" in time.`));
      }, DEADLINE_MS);
      this.#child.on('message', onMessage);
      this.#child.once('exit', onExit);
    });
    this.#child.send(message);
    return answer;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/** Processes that do each round together: none begins before all are ready. */
export class Crew {
  readonly #workers: readonly Worker[];

  constructor(readonly size: number) {
    this.#workers = Array.from({ length: size }, (_, index) => new Worker(index));
  }

  /** Opens the applications of every process; those that were open are closed. */
  async open(opening: Opening): Promise<void> {
    await this.#all(() => ({ type: 'open', opening }));
  }

  /** The applications prove once more what they run at, and close. */
  async close(): Promise<void> {
    await this.#all(() => ({ type: 'close' }));
  }

  async race(jobs: readonly Job[]): Promise<Results> {
    await this.#all((index) => ({ type: 'prepare', job: jobs[index]! }));
    const done = await this.#all(() => ({ type: 'go' }));
    return {
      answers: done.flatMap((reply) => (reply.type === 'done' ? reply.answers : [])),
      comparisons: done.reduce(
        (sum, reply) => sum + (reply.type === 'done' ? reply.comparisons : 0),
        0,
      ),
    };
  }

  /** Ends the processes, whatever they are doing. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  async #all(message: (index: number) => ToWorker): Promise<FromWorker[]> {
    return Promise.all(this.#workers.map((worker, index) => worker.ask(message(index))));
  }
}
