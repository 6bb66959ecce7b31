import type { SqlValue, Statement } from '../statement.js';
import type { BoundStatement } from './connection-lease.js';
import type { PgResult } from './statement-result.js';

/** The part of the connection of a `pg` client that is used here, and by pg-cursor and pg-query-stream as well. */
export interface PgWire {
  readonly parsedStatements: Record<string, string>;
  readonly stream: { cork?(): void; uncork?(): void };
  parse(statement: { name: string; text: string }): void;
  bind(portal: { statement: string; values: (string | null)[] }): void;
  describe(portal: { type: 'P'; name: string }): void;
  execute(portal: { portal: string }): void;
  sync(): void;
}

export type PgCallback = (error: Error | null, result?: PgResult) => void;

type Row = Record<string, unknown>;

/** The columns that a statement returns. */
interface Columns {
  readonly names: readonly string[];
  readonly readers: readonly ((text: string) => unknown)[];
  /** A row with all members, to be copied: adding the members one by one takes longer than everything else. */
  readonly blank: Readonly<Row>;
}

const parseJson = (text: string): unknown => JSON.parse(text);
/** The conversions of values by the OID of their type. Only bool, json and jsonb are converted. */
const CONVERTERS_BY_TYPE_ID = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [114, parseJson],
  [3802, parseJson],
]);
const asIs = (text: string): string => text;

const NO_COLUMNS: Columns = { names: [], readers: [], blank: {} };
/** The columns of every statement that the server has described once. They are the same on every connection. */
const COLUMNS = new WeakMap<Statement, Columns>();

/**
 * Prepared statements that are sent at once, through the interface of `pg` for foreign query classes. The query class of
 * `pg` has the result described on every execution, which for twenty columns takes longer than reading the result. The
 * server runs several statements up to one Sync as one transaction: it commits all of them, or none.
 *
 * Numbers stay texts, whatever type parsers the application has set.
 */
export class PgPreparedBatch {
  /** The values of the first statement, for tracers that read them as those of a query of `pg`. */
  readonly values: readonly SqlValue[];
  readonly #statements: readonly BoundStatement[];
  /** The text of the first statement, if a tracer has changed it. */
  #tracedText: string | undefined;
  #wire: PgWire | undefined;
  /** The index of the statement whose result is received next. */
  #index = 0;
  #columns = NO_COLUMNS;
  readonly #rows: Row[] = [];
  #affected = 0;
  /** Reported when the server is ready for the next query. Earlier, the connection would be released in the middle of one. */
  #failure: unknown;

  constructor(
    statements: readonly BoundStatement[],
    /** Called once. `pg` and tracers replace it by a wrapper. */
    public callback: PgCallback,
  ) {
    this.#statements = statements;
    this.values = statements[0]!.values;
  }

  /**
   * The name of the statement whose result is received next: `pg` records under it that the connection has prepared the text. A
   * getter, because the name changes within the batch, and a tracer may have defined a property that cannot be written.
   */
  get name(): string {
    return this.#current.name;
  }

  get text(): string {
    return (this.#index === 0 ? this.#tracedText : undefined) ?? this.#current.text;
  }

  set text(text: string) {
    this.#tracedText = text;
  }

  get #current(): Statement {
    return (this.#statements[this.#index] ?? this.#statements.at(-1)!).statement;
  }

  submit(wire: PgWire): null {
    this.#wire = wire;
    const parsed = new Set<string>();
    wire.stream.cork?.();
    try {
      // Before the first write: a value that cannot be converted later would leave the server with half of the batch.
      const texts = this.#statements.map(({ values }) => values.map(textOf));
      for (const [index, { statement }] of this.#statements.entries()) {
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
    this.#useKnownColumns();
    return null;
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    const names = fields.map(({ name }) => name);
    this.#columns = {
      names,
      readers: fields.map(({ dataTypeID }) => CONVERTERS_BY_TYPE_ID.get(dataTypeID) ?? asIs),
      blank: Object.fromEntries(names.map((name) => [name, null])),
    };
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.#rows.push(rowOf(fields, this.#columns));
    } catch (error) {
      // An error thrown in a handler of `pg` would crash the process.
      this.#failure = error;
    }
  }

  /** The text is `UPDATE 1`, `INSERT 0 1` or `SELECT 3`. */
  handleCommandComplete({ text: command }: { text: string }): void {
    const { name, text } = this.#current;
    // A tracer's property returns the text of the first statement for all of them: `pg` would record the wrong one, and
    // refuse the next statement of this name.
    if (this.#index > 0) this.#wire!.parsedStatements[name] = text;
    this.#affected += Number(command.slice(command.lastIndexOf(' ') + 1));
    if (this.#failure === undefined) COLUMNS.set(this.#current, this.#columns);
    this.#index += 1;
    this.#useKnownColumns();
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

  /** Required by `pg`. The server sends it for an empty text only, which no statement has. */
  handleEmptyQuery(): void {}

  #useKnownColumns(): void {
    this.#columns = COLUMNS.get(this.#current) ?? NO_COLUMNS;
  }
}

/** Converts any value, also a Date of a clock: `pg` throws on one that is no text after it has written a part of the Bind. */
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
