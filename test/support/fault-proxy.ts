import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { TestDatabase } from './engines.js';

/**
 * What becomes of a statement on its way. None of it takes time: each happens at the statement or at its answer, so that
 * a test says exactly what the server had done when the connection broke.
 *
 * - `cut-before`: it never reaches the server; the connection is reset.
 * - `lose-answer`: the server has done it and said so; the answer is thrown away and the connection reset.
 * - `half-close`: as `lose-answer`, but the application sees an orderly end of what the server sends, and nothing more.
 * - `hold-request`: it waits in the network until it is released.
 * - `hold-answer`: the server has done it; its answer waits until it is released.
 * - `refused`: the server does not get it; the application is told this SQLSTATE (PostgreSQL) or error number (MariaDB).
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

/** What the server answers as one: `sql` is null for what is no statement, such as the log-in. */
interface Request {
  readonly bytes: Buffer;
  readonly sql: string | null;
}

interface Wire {
  requests(chunk: Buffer): Request[];
  /** Whether the last request has been answered: what it asked for is committed then. */
  endsAnswer(chunk: Buffer): boolean;
  refusal(code: string | number): Buffer;
}

/** PostgreSQL's protocol 3: a type, a length that counts itself, a body; only the first message has no type. */
class PostgresWire implements Wire {
  readonly #fromClient = new Messages();
  readonly #fromServer = new Messages();
  readonly #prepared = new Map<string, string>();
  #isStarted = false;
  #transaction = 'I';
  #group: Buffer[] = [];
  #sql: string | null = null;

  requests(chunk: Buffer): Request[] {
    this.#fromClient.push(chunk);
    const requests: Request[] = [];
    if (!this.#isStarted) {
      const startup = this.#fromClient.take((bytes) => lengthAt(bytes, 0));
      if (startup === null) return requests;
      this.#isStarted = true;
      requests.push({ bytes: startup, sql: null });
    }
    for (;;) {
      const message = this.#fromClient.take((bytes) => plus(1, lengthAt(bytes, 1)));
      if (message === null) return requests;
      this.#group.push(message);
      const type = String.fromCharCode(message[0]!);
      this.#read(type, message.subarray(5));
      // Parse, Bind, Describe and Execute belong to the Sync that ends them.
      if ('PBDEC'.includes(type)) continue;
      requests.push({ bytes: Buffer.concat(this.#group), sql: this.#sql });
      this.#group = [];
      this.#sql = null;
    }
  }

  #read(type: string, body: Buffer): void {
    const [first = '', second = ''] = body.toString('utf8').split('\0', 2);
    if (type === 'Q') this.#sql = first;
    else if (type === 'P') this.#prepared.set(first, second);
    // Bind names the portal, then the statement, which may have been prepared long before.
    else if (type === 'B') this.#sql = this.#prepared.get(second) ?? null;
  }

  endsAnswer(chunk: Buffer): boolean {
    this.#fromServer.push(chunk);
    let isReady = false;
    for (;;) {
      const message = this.#fromServer.take((bytes) => plus(1, lengthAt(bytes, 1)));
      if (message === null) return isReady;
      isReady = message[0] === 0x5a;
      if (isReady) this.#transaction = String.fromCharCode(message[5]!);
    }
  }

  refusal(code: string | number): Buffer {
    const fields = `SERROR\0VERROR\0C${code}\0Mrefused by the fault proxy\0\0`;
    const status = this.#transaction === 'I' ? 'I' : 'E';
    return Buffer.concat([
      Buffer.from('E'),
      int32(4 + fields.length),
      Buffer.from(fields),
      Buffer.from('Z'),
      int32(5),
      Buffer.from(status),
    ]);
  }
}

const COM_QUERY = 0x03;
const COM_STMT_PREPARE = 0x16;
const COM_STMT_EXECUTE = 0x17;

/** MySQL's protocol: three bytes of length, a number that starts at 0 with each command, a body. */
class MysqlWire implements Wire {
  readonly #fromClient = new Messages();
  readonly #fromServer = new Messages();
  /** By the number that the server gives them. */
  readonly #prepared = new Map<number, string>();
  #preparing: string | null = null;

  requests(chunk: Buffer): Request[] {
    this.#fromClient.push(chunk);
    const requests: Request[] = [];
    for (;;) {
      const bytes = this.#fromClient.take(mysqlLength);
      if (bytes === null) return requests;
      requests.push({ bytes, sql: this.#read(bytes) });
    }
  }

  #read(bytes: Buffer): string | null {
    const command = bytes[3] === 0 ? bytes[4] : null;
    const text = bytes.subarray(5).toString('utf8');
    if (command === COM_STMT_PREPARE) this.#preparing = text;
    if (command === COM_STMT_EXECUTE) return this.#prepared.get(bytes.readUInt32LE(5)) ?? null;
    return command === COM_QUERY ? text : null;
  }

  /** The first packet says that it is done: all there is of a writing statement's answer. */
  endsAnswer(chunk: Buffer): boolean {
    this.#fromServer.push(chunk);
    for (let isWhole = false; ; isWhole = true) {
      const bytes = this.#fromServer.take(mysqlLength);
      if (bytes === null) return isWhole;
      if (this.#preparing === null) continue;
      // Its first packet has its number, if it is no error.
      if (bytes[4] === 0) this.#prepared.set(bytes.readUInt32LE(5), this.#preparing);
      this.#preparing = null;
    }
  }

  refusal(code: string | number): Buffer {
    const text = '#HY000refused by the fault proxy';
    const packet = Buffer.alloc(7 + text.length);
    packet.writeUIntLE(3 + text.length, 0, 3);
    packet[3] = 1;
    packet[4] = 0xff;
    packet.writeUInt16LE(Number(code), 5);
    packet.write(text, 7);
    return packet;
  }
}

/** Bytes as they come, messages as they are whole. */
class Messages {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  take(length: (bytes: Buffer) => number | null): Buffer | null {
    const end = length(this.#bytes);
    if (end === null || this.#bytes.length < end) return null;
    const message = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    return message;
  }
}

class Gate {
  open: () => void = nothing;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

const lengthAt = (bytes: Buffer, at: number): number | null =>
  bytes.length < at + 4 ? null : bytes.readInt32BE(at);

const mysqlLength = (bytes: Buffer): number | null =>
  bytes.length < 4 ? null : 4 + bytes.readUIntLE(0, 3);

const plus = (count: number, length: number | null): number | null =>
  length === null ? null : count + length;

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function nothing(): void {}
