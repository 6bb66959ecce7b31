import type { StatementResult } from './answer.js';
import type { Said } from './held-connection.js';
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
export class NamedQuery {
  /** Of the one that is being answered: `pg` notes by them what a connection has parsed. */
  name!: string;
  text!: string;
  /** Of the first one: for whoever traces queries. */
  readonly values: readonly SqlValue[];
  readonly #said: readonly Said[];
  #at = 0;
  #columns!: Columns;
  readonly #rows: Row[] = [];
  #affected = 0;
  /** Told when the server is ready for the next statement: until then the connection is good for nothing. */
  #failure: unknown;

  constructor(
    said: readonly Said[],
    /** Called once; `pg` may put another one around it, and so may who traces it. */
    public callback: PgAnswered,
  ) {
    this.#said = said;
    this.values = said[0]!.values;
    this.#expect(said[0]!.statement);
  }

  submit(wire: PgWire): null {
    const parsed = new Set<string>();
    wire.stream.cork?.();
    try {
      for (const [index, { statement, values }] of this.#said.entries()) {
        const { name } = statement;
        if (wire.parsedStatements[name] === undefined && !parsed.has(name)) {
          parsed.add(name);
          // Who traces queries may have written a comment into the first one.
          wire.parse({ name, text: index === 0 ? this.text : statement.text });
        }
        wire.bind({ statement: name, values: values.map(textOf) });
        if (!COLUMNS.has(statement)) wire.describe({ type: 'P', name: '' });
        wire.execute({ portal: '' });
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      wire.sync();
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
    try {
      this.#rows.push(rowOf(fields, this.#columns));
    } catch (error) {
      // What is thrown here is thrown at the process.
      this.#failure = error;
    }
  }

  /** `UPDATE 1`, `INSERT 0 1`, `SELECT 3`. */
  handleCommandComplete({ text }: { text: string }): void {
    this.#affected += Number(text.slice(text.lastIndexOf(' ') + 1));
    if (this.#failure === undefined) COLUMNS.set(this.#said[this.#at]!.statement, this.#columns);
    this.#at += 1;
    const next = this.#said[this.#at];
    if (next) this.#expect(next.statement);
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

  #expect(statement: Statement): void {
    this.name = statement.name;
    this.text = statement.text;
    this.#columns = COLUMNS.get(statement) ?? NO_COLUMNS;
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
