import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { TestDatabase } from './engines.js';
import { type Request, type Wire, PostgresWire, MysqlWire } from './fault-wires.js';

/**
 * What becomes of a statement on its way. None of it takes time: each happens at the statement or at its answer, so that
 * a test says exactly what the server had done when the connection broke.
 *
 * - `cut-before`: it never reaches the server; the connection is reset.
 * - `lose-answer`: the server has done it and said so; the answer is thrown away and the connection reset.
 * - `half-close`: as `lose-answer`, but the application sees an orderly end of what the server sends, and nothing more.
 * - `hold-request`: it waits in the network until it is released.
 * - `hold-answer`: the server has done it; its answer waits until it is released.
 * - `refused`: the server does not get it; the application gets this SQLSTATE (PostgreSQL) or error number (MariaDB).
 */
export type Fault =
  | 'cut-before'
  | 'lose-answer'
  | 'half-close'
  | 'hold-request'
  | 'hold-answer'
  | { readonly refused: string | number };

/** A fault that waits for its statements. */
export class Trap {
  /** How many statements it has caught. */
  caught = 0;
  readonly #reached = new Gate();
  readonly #released = new Gate();

  constructor(
    readonly statement: RegExp,
    readonly fault: Fault,
    private readonly times: number,
    /** The connections it watches; absent: all. */
    private readonly links?: ReadonlySet<object>,
  ) {}

  /** Settled when the first statement has got as far as the fault lets it. */
  get reached(): Promise<void> {
    return this.#reached.opened;
  }

  get released(): Promise<void> {
    return this.#released.opened;
  }

  /** Lets go what is held, and catches nothing more. */
  release(): void {
    this.caught = Math.max(this.caught, this.times);
    this.#released.open();
  }

  /** @internal */
  catches(sql: string, link: object): boolean {
    if (this.caught >= this.times || !this.statement.test(sql)) return false;
    if (this.links && !this.links.has(link)) return false;
    this.caught += 1;
    return true;
  }

  /** @internal */
  reach(): void {
    this.#reached.open();
  }
}

/** A TCP proxy of ours between application and database, which understands as much of the protocol as it must. */
export class FaultProxy {
  /** The SQL that was passed on to the server. */
  readonly passed: string[] = [];
  /** How long each statement is under way before the server gets it. */
  delayMs = 0;
  readonly #traps: Trap[] = [];
  readonly #links = new Set<Link>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (client) => {
      const link = new Link(client, this, this.target);
      this.#links.add(link);
      client.once('close', () => this.#links.delete(link));
    });
  }

  static async before(databaseUrl: string): Promise<FaultProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultProxy(server, new URL(databaseUrl));
  }

  /** The database as the application reaches it. */
  get url(): string {
    const url = new URL(this.target);
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy is closed.');
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return url.href;
  }

  /** The same database, through this proxy. */
  through(database: TestDatabase): TestDatabase {
    const options = { ...database.options, url: this.url } as TestDatabase['options'];
    return { engine: database.engine, options, drop: () => database.drop() };
  }

  /** Catches the next `times` statements that match. Of several traps the oldest catches. */
  trap(statement: RegExp, fault: Fault, times = 1): Trap {
    return this.#set(new Trap(statement, fault, times));
  }

  /** As `trap`, on the connections that are open now: what they lead to has failed over to where new ones go. */
  trapOpen(statement: RegExp, fault: Fault): Trap {
    return this.#set(new Trap(statement, fault, Infinity, new Set(this.#links)));
  }

  #set(trap: Trap): Trap {
    this.#traps.push(trap);
    return trap;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#links.size;
  }

  /** From now on it only passes on, also what it holds. */
  calm(): void {
    this.delayMs = 0;
    for (const trap of this.#traps) trap.release();
  }

  async close(): Promise<void> {
    this.calm();
    const closed = once(this.server, 'close');
    this.server.close();
    for (const link of this.#links) link.reset();
    await closed;
  }

  /** @internal */
  trapFor(sql: string, link: object): Trap | undefined {
    return this.#traps.find((trap) => trap.catches(sql, link));
  }
}

/** One connection of the application and its connection to the server. */
class Link {
  readonly #upstream: Socket;
  readonly #wire: Wire;
  /** Set while the server works on a statement that was caught. */
  #awaited: Trap | undefined;
  #held: Buffer[] = [];
  /** Set once an answer was held, so that what follows it stays behind it. */
  #deliveries: Promise<void> | undefined;
  #requests: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: Socket,
    private readonly proxy: FaultProxy,
    { protocol, hostname, port }: URL,
  ) {
    this.#wire = protocol.startsWith('postgres') ? new PostgresWire() : new MysqlWire();
    this.#upstream = connect(
      Number(port || (protocol.startsWith('postgres') ? 5432 : 3306)),
      hostname,
    );
    for (const socket of [client, this.#upstream]) socket.setNoDelay(true).on('error', nothing);
    client.on('data', (chunk) => {
      for (const request of this.#wire.requests(chunk)) {
        this.#requests = this.#requests.then(() => this.#pass(request));
      }
    });
    this.#upstream.on('data', (chunk) => this.#answer(chunk));
    client.on('close', () => this.#upstream.destroy());
    // What the server said last, such as why it ends the connection, still arrives.
    this.#upstream.on('close', () => client.destroySoon());
  }

  reset(): void {
    this.client.resetAndDestroy();
    this.#upstream.destroy();
  }

  async #pass({ bytes, sql }: Request): Promise<void> {
    const trap = sql === null ? undefined : this.proxy.trapFor(sql, this);
    if (trap !== undefined && !(await this.#passes(trap))) return;
    const { delayMs } = this.proxy;
    if (sql !== null && delayMs > 0) await sleep(delayMs);
    if (this.client.destroyed || this.#upstream.destroyed) return;
    if (sql !== null) this.proxy.passed.push(sql);
    this.#upstream.write(bytes);
  }

  /** Whether the server gets what was caught. */
  async #passes(trap: Trap): Promise<boolean> {
    const { fault } = trap;
    switch (fault) {
      case 'cut-before':
        this.reset();
        trap.reach();
        return false;
      case 'hold-request':
        trap.reach();
        await trap.released;
        return true;
      case 'lose-answer':
      case 'half-close':
      case 'hold-answer':
        this.#awaited = trap;
        return true;
      default:
        this.client.write(this.#wire.refusal(fault.refused));
        trap.reach();
        return false;
    }
  }

  #answer(chunk: Buffer): void {
    const isWhole = this.#wire.endsAnswer(chunk);
    const trap = this.#awaited;
    if (trap === undefined) {
      this.#deliver(chunk);
      return;
    }
    this.#held.push(chunk);
    if (!isWhole) return;
    const answer = Buffer.concat(this.#held);
    this.#held = [];
    this.#awaited = undefined;
    if (trap.fault === 'half-close') this.client.end();
    else if (trap.fault === 'lose-answer') this.reset();
    else {
      this.#deliveries = trap.released;
      this.#deliver(answer);
    }
    trap.reach();
  }

  #deliver(chunk: Buffer): void {
    const write = (): void => {
      if (!this.client.destroyed) this.client.write(chunk);
    };
    if (this.#deliveries === undefined) write();
    else this.#deliveries = this.#deliveries.then(write);
  }
}

class Gate {
  open: () => void = nothing;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

function nothing(): void {}
