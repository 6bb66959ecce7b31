import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Whether a connection of the pool is in a transaction that an application has begun and not ended. `unheard` where the server tells
 * it with its next answer, and `untold` where nothing tells it: on `mysql2` after statements of others, on `pg-native` and on PGlite.
 */
export type TransactionState = 'idle' | 'open' | 'unheard' | 'untold';

/** The parts of a client of `pg` that tell of its transaction: the method exists since `pg` 8.21, the events in all versions. */
interface PgClient {
  readonly readyForQuery?: boolean;
  readonly getTransactionStatus?: () => string | null;
  readonly connection?: {
    on?(event: 'readyForQuery', listener: (message: { readonly status?: string }) => void): unknown;
  };
}

/** A connection of `mysql2`. Its socket counts the bytes that were written, which shows whether a statement was sent. */
interface SocketOwner {
  readonly stream?: { readonly bytesWritten?: number };
}

/** The rest of an answer comes at once. On a connection that was lost it never comes, and the COMMIT fails by itself. */
const MAX_ANSWER_MS = 1_000;
/** What the server has told last of the transactions of clients whose `pg` does not remember it. */
const STATUSES = new WeakMap<object, { last: string | null }>();
/** How many bytes were written to a connection of `mysql2` when it was in no transaction. Each later statement adds some. */
const BYTES_SENT_WHEN_IDLE = new WeakMap<object, number>();

/** @param raw the connection object of the driver. */
export function transactionStateOf(raw: unknown): TransactionState {
  const status = pgStatusOf(raw);
  if (status === null) return 'unheard';
  if (status !== undefined) return status === 'I' ? 'idle' : 'open';
  return BYTES_SENT_WHEN_IDLE.get(raw as object) === sentBytesOf(raw) ? 'idle' : 'untold';
}

/**
 * What PostgreSQL has told last of the transaction: `I` for none, `T` for an open one, `E` for one with a failed statement. `null` where
 * it has not been heard yet, `undefined` for another server.
 *
 * A client of an older `pg` is listened to from the first call on, until it is closed.
 */
export function pgStatusOf(raw: unknown): string | null | undefined {
  const client = (raw ?? {}) as PgClient;
  // A client that has not been asked anything yet answers null.
  if (client.getTransactionStatus !== undefined) return client.getTransactionStatus() ?? 'I';
  if (client.connection?.on === undefined) return undefined;
  let status = STATUSES.get(client);
  if (status === undefined) {
    const heard: { last: string | null } = { last: null };
    status = heard;
    STATUSES.set(client, heard);
    client.connection.on('readyForQuery', (message) => {
      heard.last = message.status ?? null;
    });
  }
  return status.last;
}

/**
 * `pgStatusOf` once the server has ended its answer to the last statement. It sends an error first, and what the error made of the
 * transaction after it.
 */
export async function pgStatusOnceAnswered(raw: unknown): Promise<string | null | undefined> {
  const client = (raw ?? {}) as PgClient;
  for (let waited = 0; client.readyForQuery === false && waited < MAX_ANSWER_MS; waited += 1) {
    await sleep(1);
  }
  return pgStatusOf(raw);
}

/** How many bytes were written to a connection of `mysql2`, by this package and by other code; NaN for other drivers. */
export function sentBytesOf(raw: unknown): number {
  return (raw as SocketOwner | null | undefined)?.stream?.bytesWritten ?? NaN;
}

/**
 * Notes that a connection of `mysql2`, which does not tell it, is in no transaction. Nothing is noted where the counter of bytes did
 * not move by the statement that has just ended: then it would not move by those of an application either.
 *
 * @param sentBefore `sentBytesOf(raw)` before the statement that has just ended.
 */
export function noteIdle(raw: unknown, sentBefore: number): void {
  const sent = sentBytesOf(raw);
  if (sent > sentBefore) BYTES_SENT_WHEN_IDLE.set(raw as object, sent);
}
