import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A server on loopback between a client and its server, which can fall silent. */
export interface TcpProxy {
  readonly port: number;
  /** Forwards nothing more, without closing any connection. */
  silence(): void;
  /** What was held up goes on. */
  resume(): void;
  /** Breaks all connections and refuses new ones. */
  close(): Promise<void>;
}

export async function startTcpProxy(target: URL): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const watch = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (isSilent) socket.pause();
  };
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 6379), target.hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('data', (chunk) => other.write(chunk));
      one.on('close', () => other.destroy());
      watch(one);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const all = (work: (socket: Socket) => void): void => sockets.forEach(work);
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      isSilent = true;
      all((socket) => socket.pause());
    },
    resume: () => {
      isSilent = false;
      all((socket) => socket.resume());
    },
    close: async () => {
      all((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
