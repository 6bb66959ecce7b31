import { connect } from 'node:net';

/** What is used of a pooled connection of `pg` and of `mysql2`. */
interface PooledConnection {
  readonly end?: () => Promise<void>;
  readonly destroy?: () => void;
  readonly stream?: { destroy(error?: Error): void };
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: unknown;
}

/** PostgreSQL's CancelRequest (protocol 3.0, 54.2.8): its length, its code, then whose statement. */
const CANCEL_REQUEST = { length: 16, code: 80_877_102 } as const;
const CANCEL_TIMEOUT_MS = 5_000;

/** Closes a connection, whatever it is waiting for, so that its pool makes another one. */
export function abandonConnection(connection: unknown): void {
  const { end, destroy, stream, processID } = (connection ?? {}) as PooledConnection;
  if (typeof processID === 'number') {
    cancelOnServer(connection as PooledConnection);
    void end?.call(connection);
    return;
  }
  destroy?.call(connection);
  // `mysql2` waits for the other side to close; there may be none. Without an error a pool that is closing waits on.
  stream?.destroy(new Error('The server did not answer in time.'));
}

/**
 * A PostgreSQL server that waits for a lock does not see that nobody waits for it: without this its sessions would be as
 * many as there were time-outs, instead of as many as the pool has places.
 */
function cancelOnServer({ host, port, processID, secretKey }: PooledConnection): void {
  if (!host || !port || typeof processID !== 'number' || typeof secretKey !== 'number') return;
  const request = Buffer.alloc(CANCEL_REQUEST.length);
  [CANCEL_REQUEST.length, CANCEL_REQUEST.code, processID, secretKey].forEach((word, index) =>
    request.writeInt32BE(word, index * 4),
  );
  const socket = host.startsWith('/')
    ? connect(`${host}/.s.PGSQL.${port}`)
    : connect({ host, port });
  // It may be the network that is down: nobody hears of it then.
  socket.on('error', () => socket.destroy());
  socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy());
  socket.unref();
  socket.end(request);
}
