import type { SqlValue } from '../statement.js';
import type { ConnectionLease, BoundStatement } from './connection-lease.js';
import { PgPreparedBatch, type PgCallback, type PgWire } from './pg-prepared-batch.js';
import { resultFromPg, type ExecutedStatement, type PgResult } from './statement-result.js';

/** The part of a client of `pg`, or of a replacement of it, that is used here. */
interface PgClient {
  /** The protocol connection, which the JavaScript client of `pg` has and its native bindings have not. */
  readonly connection?: Partial<PgWire>;
  /** In the pipeline mode of `pg` a client accepts only its own query class. */
  readonly pipeline?: boolean;
  query(query: PgPreparedBatch): unknown;
  query(query: { name: string; text: string; values: SqlValue[] }): Promise<PgResult>;
  query(text: string): Promise<unknown>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

/** A client of the pool of `pg`, and the function that gives it back. */
export type AcquiredPgClient = readonly [client: PgClient, release: () => void];

export class PgConnection implements ConnectionLease {
  readonly raw: PgClient;
  readonly usesPreparedStatements = true;
  readonly beginCommitsImplicitly = false;
  readonly #release: () => void;

  constructor([client, release]: AcquiredPgClient) {
    this.raw = client;
    this.#release = release;
    // Without a listener, an 'error' event would crash the process. The statement fails by itself, and the pool checks each
    // client that is released to it.
    client.on('error', ignoreError);
  }

  get supportsPipelinedBatch(): boolean {
    const { connection, pipeline } = this.raw;
    return connection?.parsedStatements !== undefined && !pipeline;
  }

  execute(statements: readonly BoundStatement[]): Promise<ExecutedStatement> {
    if (!this.supportsPipelinedBatch) {
      const [{ statement, values }] = statements as [BoundStatement];
      const { name, text } = statement;
      return this.raw.query({ name, text, values }).then(resultFromPg);
    }
    return new Promise((resolve, reject) => {
      const callback: PgCallback = (error, result) => {
        if (error) reject(error);
        else resolve(resultFromPg(result!));
      };
      this.raw.query(new PgPreparedBatch(statements, callback));
    });
  }

  begin(): Promise<unknown> {
    return this.raw.query('BEGIN');
  }

  commit(): Promise<unknown> {
    return this.raw.query('COMMIT');
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
