// A read/write splitting proxy on the wire, between an application and its MySQL or MariaDB: what ProxySQL and MaxScale do, with a
// replica that has stopped replicating.
//
// ProxySQL splits by rules that its administrator writes. Those of its guide send `^SELECT.*FOR UPDATE` to the primary, older ones only
// what ends so, and then `^SELECT` to the replicas; all else goes to the primary, and so does what follows in a transaction that began
// there. It answers LAST_INSERT_ID() itself. MaxScale parses: what reads outside of a transaction goes to a replica, and what locks or
// asks for LAST_INSERT_ID() goes to the primary. Where the two differ, this proxy does what leaves less to the primary: there is none of
// them behind which the replica answers more.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import mysql from 'mysql2/promise';

import type { TestDatabase } from './engines.js';
import { COM_QUERY, COM_STMT_EXECUTE, COM_STMT_PREPARE } from './fault-wires.js';
import {
  COM_STMT_CLOSE,
  ERR,
  MysqlSession,
  nextOf,
  OK,
  packetsOf,
  ProtocolError,
  statusOfOk,
  type MysqlAnswer,
} from './mysql-session.js';

const READS = /^[\s(]*(SELECT|WITH)\b/i;
const LOCKS = /\bFOR UPDATE$/i;
/** The session that executes this is the replica from then on. Read only, as a replica is. */
const FREEZE = 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY';

const FAST_LOG_IN = 3;
const LOG_IN_GOES_ON = 0x01;

/** Capabilities of a client that change what answers look like, or hide the statements: `mysql2` has none of them by default. */
const REFUSED_CAPABILITIES = {
  COMPRESS: 1 << 5,
  SSL: 1 << 11,
  DEPRECATE_EOF: 1 << 24,
  OPTIONAL_METADATA: 1 << 25,
  ZSTD: 1 << 26,
};
const QUERY_ATTRIBUTES = 1 << 27;

/** What was frozen, and the statements that were prepared there, by their text. */
class Replica {
  readonly #prepared = new Map<string, Promise<number>>();

  constructor(
    private readonly session: MysqlSession,
    readonly capabilities: number,
  ) {}

  async answer(request: Buffer, sql: string): Promise<Buffer> {
    const answer = await this.session.ask(await this.#translated(request, sql));
    return answer.withoutTransaction();
  }

  /** The primary has given each prepared statement another number. */
  async #translated(request: Buffer, sql: string): Promise<Buffer> {
    if (request[4] !== COM_STMT_EXECUTE) return request;
    let prepared = this.#prepared.get(sql);
    if (prepared === undefined) {
      prepared = this.session.ask(commandOf(COM_STMT_PREPARE, sql)).then(statementIdOf);
      this.#prepared.set(sql, prepared);
    }
    const translated = Buffer.from(request);
    translated.writeUInt32LE(await prepared, 5);
    return translated;
  }
}

/** A statement, and whether it was executed by the protocol of prepared ones. */
interface Executed {
  readonly sql: string;
  readonly isPrepared: boolean;
}

export class ReadSplitter {
  /** The statements that the primary has executed. */
  readonly onPrimary: Executed[] = [];
  /** The statements that the replica has answered. */
  readonly onReplica: Executed[] = [];
  readonly #sockets = new Set<Socket>();
  #replica: Replica | undefined;
  #frozen: mysql.Connection | undefined;
  #failure: unknown;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (client) => {
      void this.#serve(client.setNoDelay(true).on('error', nothing));
    });
  }

  /** Until `freeze` it passes on everything. */
  static async before(databaseUrl: string): Promise<ReadSplitter> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ReadSplitter(server, new URL(databaseUrl));
  }

  /** The database as the application reaches it. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** The same database, through this proxy. */
  through(database: TestDatabase): TestDatabase {
    const options = { ...database.options, url: this.url } as TestDatabase['options'];
    return { engine: database.engine, options, drop: () => database.drop() };
  }

  /** From now on the replica is what the database is now. */
  async freeze(): Promise<void> {
    this.#frozen = await mysql.createConnection(this.url);
    await this.#frozen.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await this.#frozen.query(FREEZE);
    this.onPrimary.length = 0;
  }

  /** Before the database is dropped, which would wait for the transaction of the replica. @throws what the proxy did not understand. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.#frozen?.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @internal */
  set replica(replica: Replica) {
    this.#replica = replica;
  }

  /** @internal The replica, if it answers this. */
  replicaFor(executed: Executed, { isInTransaction }: MysqlSession): Replica | undefined {
    const { sql } = executed;
    const isRead = READS.test(sql) && !LOCKS.test(sql) && !isInTransaction;
    const replica = isRead ? this.#replica : undefined;
    (replica ? this.onReplica : this.onPrimary).push(executed);
    return replica;
  }

  async #serve(client: Socket): Promise<void> {
    const sockets = [client];
    this.#sockets.add(client);
    try {
      const primary = await MysqlSession.connect(this.target);
      sockets.push(primary.socket);
      this.#sockets.add(primary.socket);
      await new Client(client, primary, this).serve();
    } catch (error) {
      // Either side may close its connection at any time.
      if (error instanceof ProtocolError) this.#failure ??= error;
    } finally {
      for (const socket of sockets) {
        this.#sockets.delete(socket);
        socket.destroy();
      }
    }
  }
}

/** One connection of the application, and its connection to the primary. */
class Client {
  readonly #requests: AsyncGenerator<Buffer, void>;
  /** By the numbers of the primary. */
  readonly #prepared = new Map<number, string>();
  #capabilities = 0;

  constructor(
    private readonly socket: Socket,
    private readonly primary: MysqlSession,
    private readonly splitter: ReadSplitter,
  ) {
    this.#requests = packetsOf(socket);
  }

  async serve(): Promise<void> {
    await this.#logIn();
    for await (const request of this.#requests) this.socket.write(await this.#answer(request));
  }

  async #logIn(): Promise<void> {
    const greeting = await this.primary.next();
    this.socket.write(greeting);
    const response = await nextOf(this.#requests);
    this.#agree(greeting, response);
    this.primary.socket.write(response);
    for (;;) {
      const said = await this.primary.next();
      this.socket.write(said);
      if (said[4] === ERR) throw new Error('The server refused the log-in.');
      if (said[4] === OK) return this.primary.noteStatus(statusOfOk(said));
      if (said[4] === LOG_IN_GOES_ON && said[5] === FAST_LOG_IN) continue;
      this.primary.socket.write(await nextOf(this.#requests));
    }
  }

  /** What both sides are capable of. `mysql2` also names what the server has not. */
  #agree(greeting: Buffer, response: Buffer): void {
    this.#capabilities = capabilitiesOf(greeting) & response.readUInt32LE(4);
    for (const [name, bit] of Object.entries(REFUSED_CAPABILITIES)) {
      if ((this.#capabilities & bit) !== 0) throw new ProtocolError(`The session has ${name}.`);
    }
  }

  async #answer(request: Buffer): Promise<Buffer> {
    const sql = this.#sqlOf(request);
    if (sql === undefined) return this.#askPrimary(request);
    const isPrepared = request[4] === COM_STMT_EXECUTE;
    const replica = this.splitter.replicaFor({ sql, isPrepared }, this.primary);
    if (replica === undefined) return this.#askPrimary(request, sql);
    if (((replica.capabilities ^ this.#capabilities) & QUERY_ATTRIBUTES) !== 0) {
      throw new ProtocolError('The replica reads the texts of statements in another way.');
    }
    return replica.answer(request, sql);
  }

  async #askPrimary(request: Buffer, sql?: string): Promise<Buffer> {
    const answer = await this.primary.ask(request);
    if (request[4] === COM_STMT_CLOSE) this.#prepared.delete(request.readUInt32LE(5));
    if (request[4] === COM_STMT_PREPARE && !answer.isError) {
      this.#prepared.set(statementIdOf(answer), textOf(request, 5));
    }
    if (sql === FREEZE && !answer.isError) {
      this.splitter.replica = new Replica(this.primary, this.#capabilities);
    }
    return Buffer.concat(answer.packets);
  }

  /** What is executed. A statement is only prepared, on the primary, without being executed: absent then. */
  #sqlOf(request: Buffer): string | undefined {
    if (request[4] === COM_STMT_EXECUTE) {
      const sql = this.#prepared.get(request.readUInt32LE(5));
      if (sql === undefined) throw new ProtocolError('The client executes an unknown statement.');
      return sql;
    }
    if (request[4] !== COM_QUERY) return undefined;
    if ((this.#capabilities & QUERY_ATTRIBUTES) === 0) return textOf(request, 5);
    // The number of the attributes of the query, and of sets of them.
    if (request[5] !== 0 || request[6] !== 1) throw new ProtocolError('A query has attributes.');
    return textOf(request, 7);
  }
}

function nothing(): void {}

/** They stand in two halves, behind the version of the server, the number of the connection and the first part of a salt. */
function capabilitiesOf(greeting: Buffer): number {
  const lower = greeting.indexOf(0, 5) + 1 + 4 + 8 + 1;
  return greeting.readUInt16LE(lower) | (greeting.readUInt16LE(lower + 5) << 16);
}

function textOf(request: Buffer, offset: number): string {
  return request.subarray(offset).toString('utf8').trim();
}

function commandOf(command: number, sql: string): Buffer {
  const body = Buffer.concat([Buffer.from([command]), Buffer.from(sql)]);
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  return Buffer.concat([head, body]);
}

function statementIdOf({ isError, packets }: MysqlAnswer): number {
  if (isError) throw new ProtocolError('The replica does not prepare the statement.');
  return packets[0]!.readUInt32LE(5);
}
