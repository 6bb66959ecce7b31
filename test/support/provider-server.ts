// A provider on loopback that keeps what it is sent, and answers as a test tells it to.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { KEEP_ALIVE_MS } from './listen.js';

export interface ProviderCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** `silent`: the request is read, and never answered. `broken`: the connection ends without an answer. */
export type Reply =
  | 'silent'
  | 'broken'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface ProviderServer {
  readonly url: string;
  readonly calls: ProviderCall[];
  /** The calls that were answered by 2xx. Telegram refuses by 200 with `"ok":false`. */
  readonly accepted: ProviderCall[];
  /** Answers the next call in another way than usual. */
  next(reply: Reply): void;
  close(): Promise<void>;
}

/** @param usual the answer to a call that no test has scripted. */
export async function startProvider(
  usual: (call: ProviderCall) => Reply,
  { isTls = false }: { readonly isTls?: boolean } = {},
): Promise<ProviderServer> {
  const calls: ProviderCall[] = [];
  const accepted: ProviderCall[] = [];
  const scripted: Reply[] = [];
  const sockets = new Set<Socket>();
  const answer: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      calls.push(call);
      const reply = scripted.shift() ?? usual(call);
      if (isAccepted(reply)) accepted.push(call);
      write(reply, request, response);
    });
  };
  const server = isTls ? createTlsServer(await selfSigned(), answer) : createServer(answer);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`,
    calls,
    accepted,
    next: (reply) => void scripted.push(reply),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function isAccepted(reply: Reply): boolean {
  return (
    typeof reply === 'object' && reply.status < 300 && !(reply.body ?? '').includes('"ok":false')
  );
}

function write(reply: Reply, request: IncomingMessage, response: ServerResponse): void {
  if (reply === 'silent') return;
  if (reply === 'broken') {
    request.socket.destroy();
    return;
  }
  response.writeHead(reply.status, reply.headers).end(reply.body);
}

/** A certificate that no one trusts. */
export async function selfSigned(): Promise<{ key: string; cert: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'two-factor-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-days', '1', '-keyout', key, '-out', cert];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      ...subject,
    ]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}
