import { valueOf, type SqlValue, type SqlValues, type Statement } from '../statement.js';

/**
 * The numbers of calls for which there is a text. A statement for fewer calls repeats its last one. A text for each number would
 * fill the server's memory of prepared statements, of which each connection has its own.
 */
const STATEMENT_SIZES = [2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/** Beyond the sizes there is a text for each multiple of this number. */
const LARGE_SIZE_STEP = 256;
/** The name of a placeholder for one element of a list: the list, the index of the element and the name of its value. */
const ELEMENT_PLACEHOLDER = /^([a-z]+)(\d+)_(\w+)$/;

/** The smallest size of a text for `count` elements. */
export function statementSizeFor(count: number): number {
  return (
    STATEMENT_SIZES.find((size) => size >= count) ??
    Math.ceil(count / LARGE_SIZE_STEP) * LARGE_SIZE_STEP
  );
}

/** `:call0_id, :call1_id`: a placeholder for the same value of each element of a list. */
export function elementPlaceholders(list: string, name: string, size: number): string {
  return Array.from({ length: size }, (_, index) => `:${list}${index}_${name}`).join(', ');
}

/** The elements of each list that a statement names, and what each of them gives to the placeholders. */
export type CallLists = Readonly<Record<string, readonly SqlValues[]>>;

type ParsedPlaceholder = readonly [list: string, index: number, name: string] | string;

const PARSED_PLACEHOLDERS = new WeakMap<Statement, readonly ParsedPlaceholder[]>();

function parsedPlaceholdersOf(statement: Statement): readonly ParsedPlaceholder[] {
  let places = PARSED_PLACEHOLDERS.get(statement);
  if (places === undefined) {
    places = statement.order.map((place): ParsedPlaceholder => {
      const match = ELEMENT_PLACEHOLDER.exec(place);
      return match === null ? place : [match[1]!, Number(match[2]), match[3]!];
    });
    PARSED_PLACEHOLDERS.set(statement, places);
  }
  return places;
}

/**
 * The values of a statement with the placeholders of `elementPlaceholders`, in their order. Where a list has fewer elements than the text, its last
 * one is repeated.
 *
 * @param shared the values that are the same for all elements.
 */
export function bindLists(statement: Statement, lists: CallLists, shared: SqlValues): SqlValue[] {
  return parsedPlaceholdersOf(statement).map((place) => {
    if (typeof place === 'string') return valueOf(shared, place);
    const [list, index, name] = place;
    const elements = lists[list]!;
    return valueOf(elements[Math.min(index, elements.length - 1)]!, name);
  });
}
