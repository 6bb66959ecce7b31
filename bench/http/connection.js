import { connect } from 'node:net';

const HEAD_END = '\r\n\r\n';

/**
 * One kept-alive connection that carries one request at a time. As little as HTTP/1.1 takes: client and server share the
 * machine, and what the client uses up the server does not get.
 */
export class Connection {
  #socket;
  #host;
  #received = '';
  #answer;

  constructor(socket, host) {
    this.#socket = socket;
    this.#host = host;
    // Every body here is ASCII: characters are bytes.
    socket.setEncoding('latin1');
    socket.setNoDelay(true);
    socket.on('data', (text) => this.#read(text));
    socket.on('error', (error) => this.#answer?.reject(error));
    socket.on('close', () => this.#answer?.reject(new Error('The server hung up.')));
  }

  static async open(port) {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, `127.0.0.1:${port}`);
  }

  /** @returns {Promise<{ status: number, body: string }>} */
  async post(path, content, headers = '') {
    if (this.#socket.destroyed) throw new Error('The server hung up before.');
    const body = JSON.stringify(content);
    const answer = new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
    });
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n${headers}\r\n${body}`,
      'latin1',
    );
    return answer;
  }

  close() {
    this.#answer = undefined;
    this.#socket.destroy();
  }

  #read(text) {
    this.#received += text;
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const rest = this.#received.slice(headEnd + HEAD_END.length);
    const body = bodyOf(head, rest);
    if (body === null) return;
    this.#received = '';
    const { resolve } = this.#answer;
    this.#answer = undefined;
    resolve({ status: Number(head.slice(9, 12)), body });
  }
}

/** `null` as long as there is more to come. */
function bodyOf(head, rest) {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) return rest.length >= Number(length[1]) ? rest : null;
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return rest;
  return rest.endsWith(`0${HEAD_END}`) ? unchunked(rest) : null;
}

function unchunked(chunks) {
  let body = '';
  for (let at = 0; ;) {
    const lineEnd = chunks.indexOf('\r\n', at);
    const size = Number.parseInt(chunks.slice(at, lineEnd), 16);
    if (size === 0) return body;
    body += chunks.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
