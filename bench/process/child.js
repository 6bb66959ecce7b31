import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const running = new Set();

/** A process of ours that answers calls; see `serve.js`. */
export class Child {
  #process;
  #calls = new Map();
  #last = 0;

  constructor(process) {
    this.#process = process;
    running.add(this);
    process.on('message', ({ call, result, error }) => {
      const { resolve, reject } = this.#calls.get(call);
      this.#calls.delete(call);
      if (error === undefined) resolve(result);
      else reject(Object.assign(new Error(error.message), error));
    });
    process.on('exit', (code, signal) => {
      running.delete(this);
      for (const { reject } of this.#calls.values()) {
        reject(new Error(`A process of the benchmark ended early (${signal ?? code}).`));
      }
      this.#calls.clear();
    });
  }

  /** @param {URL} file @param {{ execArgv?: string[] }} [options] */
  static start(file, { execArgv = [] } = {}) {
    return new Child(
      fork(fileURLToPath(file), {
        execArgv,
        env: { ...process.env, NODE_ENV: 'production' },
        // What it says goes where it does not disturb the tables.
        stdio: ['ignore', 2, 2, 'ipc'],
      }),
    );
  }

  /** After a part that failed: what it left behind would take part in the next one. */
  static async stopAll() {
    await Promise.all([...running].map((child) => child.stop()));
  }

  async call(method, ...args) {
    this.#last += 1;
    const call = this.#last;
    const answer = new Promise((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.#process.send({ call, method, args });
    return answer;
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    await this.call('close').catch(() => undefined);
    this.#process.disconnect();
    await gone;
  }
}
