// One session of MySQL's protocol as a proxy holds it: the packets, where an answer ends, and whether a transaction is open.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import {
  COM_QUERY,
  COM_STMT_EXECUTE,
  COM_STMT_PREPARE,
  Messages,
  mysqlLength,
} from './fault-wires.js';

const COM_QUIT = 0x01;
const COM_INIT_DB = 0x02;
const COM_PING = 0x0e;
export const COM_STMT_CLOSE = 0x19;
const COM_STMT_RESET = 0x1a;
const COM_RESET_CONNECTION = 0x1f;

/** How many packets begin the answers to these; COM_QUERY and COM_STMT_EXECUTE may go on with rows, COM_STMT_PREPARE with columns. */
const FIRST_PACKETS: Readonly<Record<number, number>> = {
  [COM_QUIT]: 0,
  [COM_STMT_CLOSE]: 0,
  [COM_INIT_DB]: 1,
  [COM_PING]: 1,
  [COM_STMT_RESET]: 1,
  [COM_RESET_CONNECTION]: 1,
  [COM_QUERY]: 1,
  [COM_STMT_PREPARE]: 1,
  [COM_STMT_EXECUTE]: 1,
};

export const OK = 0x00;
export const ERR = 0xff;
const LOCAL_INFILE = 0xfb;
const EOF = 0xfe;
/** The first byte of a packet of EOF may also be that of a row with a value of 16 MB, which is longer. */
const MAX_EOF_LENGTH = 4 + 8;
const MAX_PACKET = 0xffffff;

const IN_TRANSACTION = 0x0001;
const AUTOCOMMIT = 0x0002;
const MORE_RESULTS = 0x0008;
const IN_READ_ONLY_TRANSACTION = 0x2000;

/** The proxy does not understand what it reads: a test must not go on, because it would be about something else. */
export class ProtocolError extends Error {}

/** The packets that answer one command. */
export class MysqlAnswer {
  readonly packets: Buffer[] = [];
  isWhole: boolean;
  /** Absent in an error, and in the answer to a PREPARE. */
  status: number | undefined;
  #missingEofs = 0;

  constructor(private readonly command: number) {
    const first = FIRST_PACKETS[command];
    if (first === undefined) throw new ProtocolError(`The command ${command} is unknown.`);
    this.isWhole = first === 0;
  }

  get isError(): boolean {
    return this.packets.at(-1)?.[4] === ERR;
  }

  add(packet: Buffer): void {
    this.packets.push(packet);
    this.isWhole = this.#ends(packet);
  }

  /** As a server answers that has no transaction open, which a replica has not. */
  withoutTransaction(): Buffer {
    for (const packet of this.packets) {
      if (!isEof(packet)) continue;
      const status = packet.readUInt16LE(7);
      packet.writeUInt16LE(status & ~(IN_TRANSACTION | IN_READ_ONLY_TRANSACTION), 7);
    }
    return Buffer.concat(this.packets);
  }

  #ends(packet: Buffer): boolean {
    const type = packet[4];
    if (type === ERR) return true;
    if (this.#missingEofs > 0) {
      if (!isEof(packet)) return false;
      this.#missingEofs -= 1;
      this.status = packet.readUInt16LE(7);
      return this.#missingEofs === 0 && !this.#hasMoreResults();
    }
    if (this.command === COM_STMT_PREPARE) {
      const [columns, parameters] = [packet.readUInt16LE(9), packet.readUInt16LE(11)];
      this.#missingEofs = Number(columns > 0) + Number(parameters > 0);
      return this.#missingEofs === 0;
    }
    if (type === OK) {
      this.status = statusOfOk(packet);
      return !this.#hasMoreResults();
    }
    if (type === LOCAL_INFILE) throw new ProtocolError('The server asks for a file.');
    // One after the columns, and one after the rows.
    this.#missingEofs = 2;
    return false;
  }

  #hasMoreResults(): boolean {
    return (this.status! & MORE_RESULTS) !== 0;
  }
}

/** The session of one connection to a server. */
export class MysqlSession {
  /** As the server said last. A session without autocommit is in a transaction at each of its statements. */
  isInTransaction = false;
  readonly #packets: AsyncGenerator<Buffer, void>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(readonly socket: Socket) {
    this.#packets = packetsOf(socket);
  }

  static async connect({ hostname, port }: URL): Promise<MysqlSession> {
    const socket = connect(Number(port || 3306), hostname).setNoDelay(true);
    await once(socket, 'connect');
    // What reads from it gets the error as well; without a listener it would end the process.
    socket.on('error', () => undefined);
    return new MysqlSession(socket);
  }

  async next(): Promise<Buffer> {
    return nextOf(this.#packets);
  }

  /** Sends a command, and waits for all of its answer; commands of several clients wait for each other. */
  ask(request: Buffer): Promise<MysqlAnswer> {
    const answer = this.#turn.then(() => this.#ask(request));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  noteStatus(status: number | undefined): void {
    if (status === undefined) return;
    this.isInTransaction = (status & IN_TRANSACTION) !== 0 || (status & AUTOCOMMIT) === 0;
  }

  async #ask(request: Buffer): Promise<MysqlAnswer> {
    const answer = new MysqlAnswer(request[4]!);
    this.socket.write(request);
    while (!answer.isWhole) answer.add(await this.next());
    this.noteStatus(answer.status);
    return answer;
  }
}

export async function* packetsOf(socket: Socket): AsyncGenerator<Buffer, void> {
  const messages = new Messages();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    messages.push(chunk);
    for (;;) {
      const packet = messages.take(mysqlLength);
      if (packet === null) break;
      if (packet.readUIntLE(0, 3) === MAX_PACKET) {
        throw new ProtocolError('A message has more than one packet.');
      }
      yield packet;
    }
  }
}

export async function nextOf(packets: AsyncGenerator<Buffer, void>): Promise<Buffer> {
  const { value } = await packets.next();
  if (!value) throw new Error('The connection was closed.');
  return value;
}

/** The flags behind the numbers of rows and of the last id. */
export function statusOfOk(packet: Buffer): number {
  let offset = 5;
  for (let numbers = 2; numbers > 0; numbers -= 1) offset += lengthOfNumber(packet[offset]!);
  return packet.readUInt16LE(offset);
}

function lengthOfNumber(first: number): number {
  if (first < 0xfb) return 1;
  return first === 0xfc ? 3 : first === 0xfd ? 4 : 9;
}

function isEof(packet: Buffer): boolean {
  return packet[4] === EOF && packet.length <= MAX_EOF_LENGTH;
}
