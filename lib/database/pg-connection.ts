import type { Answer } from './answer.js';
import type { HeldConnection, Said } from './held-connection.js';
import { NamedQuery, type PgAnswered, type PgResult, type PgWire } from './named-query.js';
import type { SqlValue } from './statement.js';

/** What is used of a client of `pg`, or of what stands for one. */
interface PgClient {
  /** As only `pg` itself has it, and not its native bindings. */
  readonly connection?: Partial<PgWire>;
  /** Queries of foreign classes cannot go in a pipeline. */
  readonly pipeline?: boolean;
  query(query: NamedQuery): unknown;
  query(query: { name: string; text: string; values: SqlValue[] }): Promise<PgResult>;
  query(text: string): Promise<unknown>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

export type ObtainedPg = readonly [client: PgClient, release: () => void];

export class PgConnection implements HeldConnection {
  readonly raw: PgClient;
  readonly isPrepared = true;
  readonly #release: () => void;

  constructor([client, release]: ObtainedPg) {
    this.raw = client;
    this.#release = release;
    // Unheard it would end the process. The statement fails, and the pool looks at each client that it gets back.
    client.on('error', unheard);
  }

  get sendsTogether(): boolean {
    const { connection, pipeline } = this.raw;
    return connection?.parsedStatements !== undefined && !pipeline;
  }

  send(said: readonly Said[]): Promise<Answer> {
    if (!this.sendsTogether) {
      const [{ statement, values }] = said as [Said];
      const { name, text } = statement;
      return this.raw.query({ name, text, values }).then(answerOf);
    }
    return new Promise((resolve, reject) => {
      const answered: PgAnswered = (error, result) => {
        if (error) reject(error);
        else resolve(answerOf(result!));
      };
      this.raw.query(new NamedQuery(said, answered));
    });
  }

  rollBack(): Promise<unknown> {
    return this.raw.query('ROLLBACK');
  }

  release(): void {
    this.raw.removeListener('error', unheard);
    this.#release();
  }
}

function unheard(): void {}

function answerOf({ rows, rowCount }: PgResult): Answer {
  return { rows, affected: rowCount ?? 0, isUncommitted: false };
}
