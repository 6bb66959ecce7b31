import {
  PLACEHOLDER,
  valueOf,
  type SqlValue,
  type SqlValues,
  type Statement,
} from '../statement.js';

/** The SQL types of the values that each call of a batch has, by the names of the values. */
export type BatchColumnTypes = Readonly<Record<string, 'bigint' | 'int' | 'text' | 'varchar'>>;

/** Prefix of a placeholder that takes the values of all calls as an array. */
const ARRAY_PREFIX = 'list_';
/** An escape of JSON that PostgreSQL's arrays do not have: an array would read `\n` as the letter n. */
const JSON_ONLY_ESCAPE = /\\[^"\\]/;
/**
 * With `array_nulls` off the server reads a NULL in an array as the text "null", and would store it. The batch then has no
 * rows, and each call is executed on its own.
 */
const ARRAYS_HAVE_NULLS = `current_setting('array_nulls', true) IS DISTINCT FROM 'off'`;

/** Replaces `:name` in a clause by the column of `batchRowsSql`. A value that is the same for all calls stays a placeholder. */
export function asBatchColumns(clause: string, types: BatchColumnTypes): string {
  return clause.replace(PLACEHOLDER, (placeholder: string, before: string, name: string) =>
    name in types ? `${before}"given_${name}"` : placeholder,
  );
}

/**
 * A subquery of PostgreSQL with one row per call, made of an array per value. Arrays instead of one JSON object a call,
 * because parsing JSON took a tenth of the server's time for the statement. bench/FINDINGS.md has the figures of a cycle.
 *
 * The condition on `given_id` is always true, and makes the planner expect one row. Otherwise it plans a sequential scan of
 * a table that was small when the plan was made, and plans anew for every length of the arrays.
 */
export function batchRowsSql(types: BatchColumnTypes): string {
  const lists = Object.entries(types).map(
    ([name, type]) => `unnest(CAST(:${ARRAY_PREFIX}${name} AS ${type}[])) AS "given_${name}"`,
  );
  return `SELECT * FROM (SELECT ${lists.join(', ')}) AS list WHERE "given_id" = "given_id" || '' AND ${ARRAYS_HAVE_NULLS}`;
}

/**
 * The values of a statement with `batchRowsSql`, in the order of its placeholders.
 *
 * @param shared the values that are the same for all calls.
 */
export function bindArrays(
  statement: Statement,
  rows: readonly SqlValues[],
  shared: SqlValues = {},
): SqlValue[] {
  const names = arrayNamesOf(statement);
  return statement.order.map((place, index) => {
    const name = names[index] ?? null;
    if (name === null) return valueOf(shared, place);
    return arrayOf(rows.map((row) => row[name] ?? null));
  });
}

/** For each placeholder of a statement the name of the value whose array it takes; `null` for a shared value. */
const VALUE_NAMES_BY_STATEMENT = new WeakMap<Statement, readonly (string | null)[]>();

function arrayNamesOf(statement: Statement): readonly (string | null)[] {
  let names = VALUE_NAMES_BY_STATEMENT.get(statement);
  if (names === undefined) {
    names = statement.order.map((place) =>
      place.startsWith(ARRAY_PREFIX) ? place.slice(ARRAY_PREFIX.length) : null,
    );
    VALUE_NAMES_BY_STATEMENT.set(statement, names);
  }
  return names;
}

/** The text of a PostgreSQL array: JSON with other brackets, which V8 writes fastest, unless JSON escapes a character. */
function arrayOf(values: readonly SqlValue[]): string {
  const text = JSON.stringify(values);
  if (JSON_ONLY_ESCAPE.test(text)) return `{${values.map(elementOf).join(',')}}`;
  return `{${text.slice(1, -1)}}`;
}

function elementOf(value: SqlValue): string {
  return value === null ? 'NULL' : `"${String(value).replace(/["\\]/g, String.raw`\$&`)}"`;
}
