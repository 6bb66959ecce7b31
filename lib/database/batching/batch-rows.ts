import {
  PLACEHOLDER,
  valueOf,
  type SqlValue,
  type SqlValues,
  type Statement,
} from '../statement.js';

/** SQL types of what each of several calls gives to a statement for all of them, by their names. */
export type BatchColumnTypes = Readonly<Record<string, 'bigint' | 'int' | 'text' | 'varchar'>>;

/** In front of the name of a value: the list of those of all calls. */
const LIST = 'list_';
/** What JSON escapes and PostgreSQL's arrays do not: there, `\n` is an n. */
const FOREIGN_ESCAPE = /\\[^"\\]/;
/** With this setting off a NULL in an array is the text "null": then nothing is given, and everybody goes by himself. */
const HAS_NULLS = `current_setting('array_nulls', true) IS DISTINCT FROM 'off'`;

/** `:name` in a clause as a column of `givenRows`; what is in no row, and the same for all, stays as it is. */
export function asBatchColumns(clause: string, types: BatchColumnTypes): string {
  return clause.replace(PLACEHOLDER, (placeholder: string, before: string, name: string) =>
    name in types ? `${before}"given_${name}"` : placeholder,
  );
}

/**
 * PostgreSQL's table of what several calls give, a list for each value: to read an object of JSON for each call costs the
 * server a tenth of all that it does for it. The condition, always true, makes the planner expect one row: it would else
 * read the whole of a table that was small when the plan was made, and plan anew for each size of the lists.
 */
export function batchRowsSql(types: BatchColumnTypes): string {
  const lists = Object.entries(types).map(
    ([name, type]) => `unnest(CAST(:${LIST}${name} AS ${type}[])) AS "given_${name}"`,
  );
  return `SELECT * FROM (SELECT ${lists.join(', ')}) AS list WHERE "given_id" = "given_id" || '' AND ${HAS_NULLS}`;
}

/**
 * The values of a statement that takes `givenRows`, in the order of its placeholders.
 *
 * @param shared what is in no row, and the same for all.
 */
export function bindArrays(
  statement: Statement,
  rows: readonly SqlValues[],
  shared: SqlValues = {},
): SqlValue[] {
  const lists = listsOf(statement);
  return statement.order.map((place, index) => {
    const name = lists[index] ?? null;
    if (name === null) return valueOf(shared, place);
    return arrayOf(rows.map((row) => row[name] ?? null));
  });
}

/** For each placeholder of a statement the value whose list it takes; `null` where it takes none. */
const LISTS = new WeakMap<Statement, readonly (string | null)[]>();

function listsOf(statement: Statement): readonly (string | null)[] {
  let lists = LISTS.get(statement);
  if (lists === undefined) {
    lists = statement.order.map((place) =>
      place.startsWith(LIST) ? place.slice(LIST.length) : null,
    );
    LISTS.set(statement, lists);
  }
  return lists;
}

/** An array as PostgreSQL reads it: JSON with other brackets, but for what JSON escapes. */
function arrayOf(values: readonly SqlValue[]): string {
  const text = JSON.stringify(values);
  if (FOREIGN_ESCAPE.test(text)) return `{${values.map(elementOf).join(',')}}`;
  return `{${text.slice(1, -1)}}`;
}

function elementOf(value: SqlValue): string {
  return value === null ? 'NULL' : `"${String(value).replace(/["\\]/g, String.raw`\$&`)}"`;
}
