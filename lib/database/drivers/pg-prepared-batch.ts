import type { StatementResult } from './statement-result.js';
import type { BoundStatement } from './connection-lease.js';
import type { SqlValue, Statement } from '../statement.js';

/** What is used of the connection beneath a client of `pg`, as pg-cursor and pg-query-stream use it. */
export interface PgWire {
  readonly parsedStatements: Record<string, string>;
  readonly stream: { cork?(): void; uncork?(): void };
  parse(statement: { name: string; text: string }): void;
  bind(portal: { statement: string; values: (string | null)[] }): void;
  describe(portal: { type: 'P'; name: string }): void;
  execute(portal: { portal: string }): void;
  sync(): void;
}

export interface PgResult {
  readonly rows: StatementResult['rows'];
  readonly rowCount: number | null;
}

export type PgAnswered = (error: Error | null, result?: PgResult) => void;

type Row = Record<string, unknown>;

/** What a statement answers. */
interface Columns {
  readonly names: readonly string[];
  /** How each is read. */
  readonly readers: readonly ((text: string) => unknown)[];
  /** Its copies have all the members that a row has: to add them one by one takes longer than all else. */
  readonly blank: Readonly<Row>;
}

const json = (text: string): unknown => JSON.parse(text);
/** PostgreSQL's numbers of the types whose texts are not taken as they are: bool, json and jsonb. */
const READERS = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [114, json],
  [3802, json],
]);
const asIs = (text: string): string => text;

const NO_COLUMNS: Columns = { names: [], readers: [], blank: {} };
/** Of each statement that was ever described: its columns are the same on every connection. */
const COLUMNS = new WeakMap<Statement, Columns>();

/**
 * Prepared statements in one go, as `pg` takes queries of foreign classes: its own asks the server to describe the answer
 * each time and reads that anew, which for twenty columns costs more than the answer itself. Several are one transaction,
 * as the server sees it: it commits when all have run, and does nothing if one fails.
 *
 * Numbers stay texts, whatever parsers of types the application has set.
 */
export class PgPreparedBatch {
  /** Of the first one: for whoever traces queries. */
  readonly values: readonly SqlValue[];
  readonly #said: readonly BoundStatement[];
  /** The text of the first one, as who traces queries has changed it. */
  #traced: string | undefined;
  #wire: PgWire | undefined;
  #at = 0;
  #columns = NO_COLUMNS;
  readonly #rows: Row[] = [];
  #affected = 0;
  /** Told when the server is ready for the next statement: until then the connection is good for nothing. */
  #failure: unknown;

  constructor(
    said: readonly BoundStatement[],
    /** Called once; `pg` may put another one around it, and so may who traces it. */
    public callback: PgAnswered,
  ) {
    this.#said = said;
    this.values = said[0]!.values;
  }

  /**
   * Of the one that is being answered: `pg` notes under it what the connection has parsed. Neither is ever written: a tracer
   * may have put a property there that cannot be.
   */
  get name(): string {
    return this.#current.name;
  }

  get text(): string {
    return (this.#at === 0 ? this.#traced : undefined) ?? this.#current.text;
  }

  set text(text: string) {
    this.#traced = text;
  }

  get #current(): Statement {
    return (this.#said[this.#at] ?? this.#said.at(-1)!).statement;
  }

  submit(wire: PgWire): null {
    this.#wire = wire;
    const parsed = new Set<string>();
    wire.stream.cork?.();
    try {
      // Before anything is written: the server does what it has got, whatever cannot be written after it.
      const texts = this.#said.map(({ values }) => values.map(textOf));
      for (const [index, { statement }] of this.#said.entries()) {
        const { name } = statement;
        if (wire.parsedStatements[name] === undefined && !parsed.has(name)) {
          parsed.add(name);
          wire.parse({ name, text: index === 0 ? this.text : statement.text });
        }
        wire.bind({ statement: name, values: texts[index]! });
        if (!COLUMNS.has(statement)) wire.describe({ type: 'P', name: '' });
        wire.execute({ portal: '' });
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      wire.sync();
      wire.stream.uncork?.();
    }
    this.#expect();
    return null;
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    const names = fields.map(({ name }) => name);
    this.#columns = {
      names,
      readers: fields.map(({ dataTypeID }) => READERS.get(dataTypeID) ?? asIs),
      blank: Object.fromEntries(names.map((name) => [name, null])),
    };
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.#rows.push(rowOf(fields, this.#columns));
    } catch (error) {
      // What is thrown here is thrown at the process.
      this.#failure = error;
    }
  }

  /** `UPDATE 1`, `INSERT 0 1`, `SELECT 3`. */
  handleCommandComplete({ text }: { text: string }): void {
    const { name, text: said } = this.#current;
    // What a tracer put there says the first one's text for all of them.
    if (this.#at > 0) this.#wire!.parsedStatements[name] = said;
    this.#affected += Number(text.slice(text.lastIndexOf(' ') + 1));
    if (this.#failure === undefined) COLUMNS.set(this.#current, this.#columns);
    this.#at += 1;
    this.#expect();
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) {
      this.callback(null, { rows: this.#rows, rowCount: this.#affected });
    } else {
      this.callback(this.#failure as Error);
    }
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  /** Of an empty text, which no statement is; `pg` asks for it. */
  handleEmptyQuery(): void {}

  #expect(): void {
    this.#columns = COLUMNS.get(this.#current) ?? NO_COLUMNS;
  }
}

/** Whatever else it is, a clock's Date for example: what `pg` cannot write it has begun to write. */
function textOf(value: SqlValue): string | null {
  return value === null ? null : String(value);
}

function rowOf(fields: readonly (string | null)[], { names, readers, blank }: Columns): Row {
  const row: Row = { ...blank };
  for (let index = 0; index < fields.length; index += 1) {
    const text = fields[index]!;
    if (text !== null) row[names[index]!] = readers[index]!(text);
  }
  return row;
}
