// A read/write splitting proxy as MaxScale and ProxySQL are, inside of the driver: a SELECT outside of a transaction goes to a
// replica, unless it ends with FOR UPDATE. The replica has stopped replicating: it is a connection with a snapshot.
import mysql, { type Connection } from 'mysql2';

type Send = (said: string | { readonly sql: string }, ...rest: unknown[]) => unknown;
type Method = 'execute' | 'query';

const { prototype } = mysql.PoolConnection as unknown as { prototype: Record<Method, Send> };
const BEGINS = /^(BEGIN|START TRANSACTION)/i;
const ENDS = /^(COMMIT|ROLLBACK)(?! TO)/i;
const READS = /^SELECT\b/i;
const LOCKS = /\bFOR UPDATE$/i;

export class ReadSplitter {
  /** What the replica has answered. */
  readonly read: string[] = [];
  readonly #inTransaction = new WeakSet<object>();
  readonly #originals = new Map<Method, Send>();

  private constructor(private readonly replica: Connection) {}

  /** From now on the replica is what the database is now. */
  static async install(url: string): Promise<ReadSplitter> {
    const replica = mysql.createConnection(url);
    await replica.promise().query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await replica.promise().query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const splitter = new ReadSplitter(replica);
    splitter.#around('query');
    splitter.#around('execute');
    return splitter;
  }

  async remove(): Promise<void> {
    for (const [method, send] of this.#originals) prototype[method] = send;
    await this.replica.promise().end();
  }

  #around(method: Method): void {
    // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const send = prototype[method];
    this.#originals.set(method, send);
    const route = this.#route.bind(this);
    const { replica } = this;
    // No spy of vitest, which looks for a `then` in what it returns: a command of mysql2 throws there.
    prototype[method] = function (this: object, said, ...rest): unknown {
      const isRead = route(this, typeof said === 'string' ? said : said.sql);
      const receiver = isRead ? replica : this;
      return Reflect.apply(isRead ? replica[method] : send, receiver, [said, ...rest]) as unknown;
    };
  }

  /** Whether the replica answers. */
  #route(connection: object, text: string): boolean {
    const sql = text.trim();
    if (BEGINS.test(sql)) this.#inTransaction.add(connection);
    if (ENDS.test(sql)) this.#inTransaction.delete(connection);
    const isRead = READS.test(sql) && !LOCKS.test(sql) && !this.#inTransaction.has(connection);
    if (isRead) this.read.push(sql);
    return isRead;
  }
}
