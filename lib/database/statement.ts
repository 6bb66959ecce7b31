import { createHash } from 'node:crypto';

import type { Engine } from './engine.js';

/** A value as every driver takes it. */
export type SqlValue = string | number | null;

/** The named values of one execution. */
export type SqlValues = Readonly<Record<string, SqlValue>>;

/** SQL with the driver's own placeholders, and which named value goes where. Built for a data source, when it is first said. */
export class Statement {
  #compiled: Compiled | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly sql: string,
  ) {}

  get text(): string {
    return this.#made.text;
  }

  /** The server-side name on PostgreSQL: it carries a hash, so that another text never meets the same name. */
  get name(): string {
    return this.#made.name;
  }

  /** Whether MySQL can prepare it: `mysql2` says each number as a double, which its LIMIT does not take. */
  get isPreparable(): boolean {
    return this.#made.isPreparable;
  }

  get order(): readonly string[] {
    return this.#made.order;
  }

  get #made(): Compiled {
    return (this.#compiled ??= compile(this.engine, this.sql));
  }
}

type Compiled = Readonly<Pick<Statement, 'isPreparable' | 'name' | 'order' | 'text'>>;

/** `:name` with the character before it, if there is one; a cast's `::` is none. */
export const PLACEHOLDER = /(^|[^:\w]):([a-zA-Z]\w*)/g;

/** Turns `:name` into `$1` (PostgreSQL, where a name keeps its number) or `?` (all others). */
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

/** The values in the order of the statement's placeholders. */
export function bindValues(statement: Statement, values: SqlValues): SqlValue[] {
  return statement.order.map((name) => valueOf(values, name));
}

export function valueOf(values: SqlValues, name: string): SqlValue {
  const value = values[name];
  if (value === undefined) throw new TypeError(`The statement's value ${name} is missing.`);
  return value;
}

/** `:mac0, :mac1`: one placeholder for each of a list of fixed length. */
export function placeholders(name: string, count: number): string {
  return Array.from({ length: count }, (_, index) => `:${name}${index}`).join(', ');
}

/** The values for `placeholders(name, list.length)`. */
export function listValues(name: string, list: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [index, value] of list.entries()) values[`${name}${index}`] = value;
  return values;
}
