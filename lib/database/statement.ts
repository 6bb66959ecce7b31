import { createHash } from 'node:crypto';

import type { Engine } from './engine.js';

/** A value that every driver accepts. */
export type SqlValue = string | number | null;

/** The named values of one execution. */
export type SqlValues = Readonly<Record<string, SqlValue>>;

/** SQL with named placeholders, compiled to the placeholders of the driver when it is first used. */
export class Statement {
  #cached: Compiled | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly sql: string,
  ) {}

  get text(): string {
    return this.#compiled.text;
  }

  /**
   * The name of the prepared statement on PostgreSQL. It has a hash of the text: a session would execute the old statement
   * under a name that a newer version of this package uses for another text.
   */
  get name(): string {
    return this.#compiled.name;
  }

  /** Whether MySQL can prepare it: `mysql2` sends every number as a double, which LIMIT and OFFSET refuse. */
  get isPreparable(): boolean {
    return this.#compiled.isPreparable;
  }

  /** The names of the values, in the order of the placeholders. */
  get order(): readonly string[] {
    return this.#compiled.order;
  }

  get #compiled(): Compiled {
    return (this.#cached ??= compile(this.engine, this.sql));
  }
}

/** Builds each statement when its name is first asked for, and returns the same one after that. */
export function statementsByName(
  engine: Engine,
): (name: number | string, sql: () => string) => Statement {
  const built = new Map<number | string, Statement>();
  return (name, sql) => {
    const statement = built.get(name) ?? new Statement(engine, sql());
    built.set(name, statement);
    return statement;
  };
}

type Compiled = Readonly<Pick<Statement, 'isPreparable' | 'name' | 'order' | 'text'>>;

/** `:name` and the character before it. The `::` of a cast does not match. */
export const PLACEHOLDER = /(^|[^:\w]):([a-zA-Z]\w*)/g;

/** Turns `:name` into `$1` on PostgreSQL, the same number for the same name, and into `?` elsewhere. */
function compile(engine: Engine, sql: string): Compiled {
  const order: string[] = [];
  const text = sql
    .replace(/\s+/g, ' ')
    .trim()
    .replace(PLACEHOLDER, (_, before: string, name: string) => {
      const known = order.indexOf(name);
      if (engine === 'postgres' && known >= 0) return `${before}$${known + 1}`;
      order.push(name);
      return engine === 'postgres' ? `${before}$${order.length}` : `${before}?`;
    });
  const name = `two_factor_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
  return { text, name, order, isPreparable: !/ (LIMIT|OFFSET) \?/.test(text) };
}

/** The values in the order of the placeholders. */
export function bindValues(statement: Statement, values: SqlValues): SqlValue[] {
  return statement.order.map((name) => valueOf(values, name));
}

export function valueOf(values: SqlValues, name: string): SqlValue {
  const value = values[name];
  if (value === undefined) throw new TypeError(`The statement's value ${name} is missing.`);
  // A Date of a clock of the application: MySQL would take it for the number 20260131120000.
  if (typeof value === 'object' && value !== null) {
    throw new TypeError(`The statement's value ${name} is neither a text nor a number.`);
  }
  return value;
}

/** `:mac0, :mac1`: a placeholder for each element of a list. */
export function placeholders(name: string, count: number): string {
  return Array.from({ length: count }, (_, index) => `:${name}${index}`).join(', ');
}

/** The values for `placeholders(name, list.length)`. */
export function listValues(name: string, list: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [index, value] of list.entries()) values[`${name}${index}`] = value;
  return values;
}
