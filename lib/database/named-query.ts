import type { StatementResult } from './answer.js';
import type { SqlValue, Statement } from './statement.js';

/** What is used of the connection beneath a client of `pg`, as pg-cursor and pg-query-stream use it. */
export interface PgWire {
  readonly parsedStatements: Readonly<Record<string, string>>;
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

/** PostgreSQL's numbers of the types whose texts are not taken as they are: bool and json. */
const READERS = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [114, (text) => JSON.parse(text) as unknown],
]);
const asIs = (text: string): string => text;

const NO_COLUMNS: Columns = { names: [], readers: [], blank: {} };
/** Of each statement that was ever described: its columns are the same on every connection. */
const COLUMNS = new WeakMap<Statement, Columns>();

/**
 * A prepared statement, as `pg` takes queries of foreign classes: its own asks the server to describe the answer each time
 * and reads that anew, which for twenty columns costs more than the answer itself.
 *
 * Numbers stay texts, whatever parsers of types the application has set.
 */
export class NamedQuery {
  readonly name: string;
  readonly text: string;
  readonly values: (string | null)[];
  readonly #statement: Statement;
  #columns = NO_COLUMNS;
  readonly #rows: Row[] = [];
  #rowCount: number | null = null;

  constructor(
    statement: Statement,
    values: readonly SqlValue[],
    /** Called once; `pg` may put another one around it, and so may who traces it. */
    public callback: PgAnswered,
  ) {
    this.name = statement.name;
    this.text = statement.text;
    this.values = values.map((value) => (typeof value === 'number' ? String(value) : value));
    this.#statement = statement;
  }

  submit(wire: PgWire): null {
    const { name, text, values } = this;
    const columns = COLUMNS.get(this.#statement);
    wire.stream.cork?.();
    try {
      if (wire.parsedStatements[name] === undefined) wire.parse({ name, text });
      wire.bind({ statement: name, values });
      if (columns === undefined) wire.describe({ type: 'P', name: '' });
      else this.#columns = columns;
      wire.execute({ portal: '' });
      wire.sync();
    } finally {
      wire.stream.uncork?.();
    }
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
    const { names, readers, blank } = this.#columns;
    const row: Row = { ...blank };
    for (let index = 0; index < fields.length; index += 1) {
      const text = fields[index]!;
      if (text !== null) row[names[index]!] = readers[index]!(text);
    }
    this.#rows.push(row);
  }

  /** `UPDATE 1`, `INSERT 0 1`, `SELECT 3`. */
  handleCommandComplete({ text }: { text: string }): void {
    this.#rowCount = Number(text.slice(text.lastIndexOf(' ') + 1));
  }

  handleReadyForQuery(): void {
    COLUMNS.set(this.#statement, this.#columns);
    this.callback(null, { rows: this.#rows, rowCount: this.#rowCount });
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  /** Of an empty text, which no statement is; `pg` asks for it. */
  handleEmptyQuery(): void {}
}
