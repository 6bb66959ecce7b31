// The wire protocols of PostgreSQL and MySQL, as far as fault-proxy.ts must read them to find the ends of requests and answers.
/** What the server answers as one: `sql` is null for what is no statement, such as the log-in. */
export interface Request {
  readonly bytes: Buffer;
  readonly sql: string | null;
}

export interface Wire {
  requests(chunk: Buffer): Request[];
  /** Whether the last request has been answered: what it asked for is committed then. */
  endsAnswer(chunk: Buffer): boolean;
  refusal(code: string | number): Buffer;
}

/** PostgreSQL's protocol 3: a type, a length that counts itself, a body; only the first message has no type. */
export class PostgresWire implements Wire {
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

export const COM_QUERY = 0x03;
export const COM_STMT_PREPARE = 0x16;
export const COM_STMT_EXECUTE = 0x17;

/** MySQL's protocol: three bytes of length, a number that starts at 0 with each command, a body. */
export class MysqlWire implements Wire {
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
    // MySQL 8.0.23 and later precede the text of a query with the number of its attributes, 0, and of sets of them, 1.
    const hasAttributes = command === COM_QUERY && bytes[5] === 0 && bytes[6] === 1;
    const text = bytes.subarray(hasAttributes ? 7 : 5).toString('utf8');
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
export class Messages {
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

const lengthAt = (bytes: Buffer, at: number): number | null =>
  bytes.length < at + 4 ? null : bytes.readInt32BE(at);

export const mysqlLength = (bytes: Buffer): number | null =>
  bytes.length < 4 ? null : 4 + bytes.readUIntLE(0, 3);

const plus = (count: number, length: number | null): number | null =>
  length === null ? null : count + length;

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
