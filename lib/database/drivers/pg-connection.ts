import type { ExecutedStatement } from './statement-result.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import {
  PgPreparedBatch,
  type PgAnswered,
  type PgResult,
  type PgWire,
} from './pg-prepared-batch.js';
import type { SqlValue } from '../statement.js';

/** What is used of a client of `pg`, or of what stands for one. */
interface PgClient {
  /** As only `pg` itself has it, and not its native bindings. */
  readonly connection?: Partial<PgWire>;
  /** Queries of foreign classes cannot go in a pipeline. */
  readonly pipeline?: boolean;
  query(query: PgPreparedBatch): unknown;
  query(query: { name: string; text: string; values: SqlValue[] }): Promise<PgResult>;
  query(text: string): Promise<unknown>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

export type ObtainedPg = readonly [client: PgClient, release: () => void];

export class PgConnection implements ConnectionLease {
  readonly raw: PgClient;
  readonly isPrepared = true;
  readonly #release: () => void;

  constructor([client, release]: ObtainedPg) {
    this.raw = client;
    this.#release = release;
    // Unheard it would end the process. The statement fails, and the pool looks at each client that it gets back.
    client.on('error', ignoreError);
  }

  get sendsTogether(): boolean {
    const { connection, pipeline } = this.raw;
    return connection?.parsedStatements !== undefined && !pipeline;
  }

  send(said: readonly BoundStatement[]): Promise<ExecutedStatement> {
    if (!this.sendsTogether) {
      const [{ statement, values }] = said as [BoundStatement];
      const { name, text } = statement;
      return this.raw.query({ name, text, values }).then(resultFromPg);
    }
    return new Promise((resolve, reject) => {
      const answered: PgAnswered = (error, result) => {
        if (error) reject(error);
        else resolve(resultFromPg(result!));
      };
      this.raw.query(new PgPreparedBatch(said, answered));
    });
  }

  rollBack(): Promise<unknown> {
    return this.raw.query('ROLLBACK');
  }

  release(): void {
    this.raw.removeListener('error', ignoreError);
    this.#release();
  }
}

function ignoreError(): void {}

function resultFromPg({ rows, rowCount }: PgResult): ExecutedStatement {
  return { rows, affected: rowCount ?? 0, isUncommitted: false };
}
