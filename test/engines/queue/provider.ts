import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One call of the provider. */
export interface ProviderCall {
  readonly token: string;
  readonly pid: number;
  readonly at: number;
  readonly isAccepted: boolean;
  /** Whether the caller was gone before the answer: it was killed, or had waited for too long. */
  isCutOff: boolean;
}

export interface ProviderBehaviour {
  /** Whether it refuses a call for now. @param failures how often it has refused this token before. */
  readonly fails: (token: string, failures: number) => boolean;
  readonly latencyMs: () => number;
}

/** A call whose answer is held back. */
export interface HeldCall {
  readonly call: ProviderCall;
  readonly accept: () => void;
  /** Answers that the recipient can never be reached. */
  readonly refuse: () => void;
}

/** A provider as an HTTP server, which outlives the processes that call it and remembers each call. */
export class Provider {
  readonly calls: ProviderCall[] = [];
  readonly #failures = new Map<string, number>();
  #held: ((call: ProviderCall, answer: ServerResponse) => void) | null = null;

  private constructor(
    private readonly server: Server,
    private readonly behaviour: ProviderBehaviour,
  ) {}

  static async start(behaviour: ProviderBehaviour): Promise<Provider> {
    const server = createServer();
    const provider = new Provider(server, behaviour);
    server.on('request', (request, answer) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => (body += part));
      request.on('end', () => void provider.#answer(body, answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** Keeps the answer of the next call back. */
  holdNext(): Promise<HeldCall> {
    return new Promise((resolve) => {
      this.#held = (call, answer) => {
        const end = (status: number): void => void answer.writeHead(status).end();
        resolve({ call, accept: () => end(202), refuse: () => end(422) });
      };
    });
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  async #answer(body: string, answer: ServerResponse): Promise<void> {
    const { token, pid } = JSON.parse(body) as { token: string; pid: number };
    const failures = this.#failures.get(token) ?? 0;
    const isAccepted = this.#held !== null || !this.behaviour.fails(token, failures);
    if (!isAccepted) this.#failures.set(token, failures + 1);
    const call = { token, pid, at: Date.now(), isAccepted, isCutOff: false };
    this.calls.push(call);
    answer.on('close', () => {
      call.isCutOff = !answer.writableFinished;
    });
    if (this.#held !== null) {
      this.#held(call, answer);
      this.#held = null;
      return;
    }
    await sleep(this.behaviour.latencyMs());
    answer.writeHead(isAccepted ? 202 : 500).end();
  }
}
