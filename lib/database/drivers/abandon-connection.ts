import { connect } from 'node:net';

/** The part of a pooled connection of `pg` and of `mysql2` that is used here. */
interface PooledConnection {
  readonly end?: () => Promise<void>;
  readonly destroy?: () => void;
  readonly stream?: { destroy(error?: Error): void };
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: unknown;
}

/** PostgreSQL's CancelRequest (protocol 3.0, 54.2.8): length, code, then process and secret key of the session. */
const CANCEL_REQUEST = { length: 16, code: 80_877_102 } as const;
const CANCEL_TIMEOUT_MS = 5_000;

/**
 * Closes a connection without waiting for its statement, so that the pool opens another one. Otherwise a few statements
 * that hang would occupy the whole pool.
 */
export function abandonConnection(connection: unknown): void {
  const { end, destroy, stream, processID } = (connection ?? {}) as PooledConnection;
  if (typeof processID === 'number') {
    cancelOnServer(connection as PooledConnection);
    void end?.call(connection);
    return;
  }
  destroy?.call(connection);
  // `mysql2` waits for the server to close the socket, and a server that is gone never does. The error matters: without it,
  // a pool that is closing keeps waiting for the connection.
  stream?.destroy(new Error('The server did not answer in time.'));
}

/** The member of a client of `pg` that shows whether the client waits for an answer. */
interface PgActivity {
  readonly _getActiveQuery?: () => unknown;
}

/** What `mysql2` reports when the time of a query is over. */
const MYSQL_TIMEOUT = 'PROTOCOL_SEQUENCE_TIMEOUT';

/**
 * Whether the driver has given up a statement that the server still executes, as `pg` does after its `query_timeout`. Back in
 * the pool, the connection would let the next statement wait behind it, and reach the same time-out.
 */
export function isStillExecuting(connection: unknown, error: unknown): boolean {
  const { _getActiveQuery: activeQuery } = (connection ?? {}) as PgActivity;
  if (activeQuery !== undefined) return (activeQuery.call(connection) ?? null) !== null;
  const { code, message } = (error ?? {}) as {
    readonly code?: unknown;
    readonly message?: unknown;
  };
  return code === MYSQL_TIMEOUT || message === 'Query read timeout';
}

/**
 * Asks the server to cancel the statement. A PostgreSQL session that waits for a lock does not notice that its client is
 * gone: without the request the sessions would be as many as the timeouts, instead of as many as the pool has connections.
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
  // The network itself may be down. Without a listener, the 'error' event would crash the process.
  socket.on('error', () => socket.destroy());
  socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy());
  socket.unref();
  socket.end(request);
}
